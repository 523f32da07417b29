"""What a real server does with a statement, compared with the prediction."""
