"""For which time feeds have sent everything: from the claims of batches to what verdicts need."""
