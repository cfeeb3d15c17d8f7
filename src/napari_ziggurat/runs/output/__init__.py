"""What a segmentation writes, block by block, and the journal of what is finished."""
