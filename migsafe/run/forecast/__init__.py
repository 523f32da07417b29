"""What a backfill will take: a few batches for real, rolled back, and what follows from them."""
