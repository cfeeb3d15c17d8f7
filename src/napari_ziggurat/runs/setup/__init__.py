"""What a training starts from: the data, the network, the settings that were chosen."""
