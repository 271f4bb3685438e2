"""What time it is: judged by the keeper, said to all others, and accepted by operators."""
