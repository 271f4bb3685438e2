"""Call detail records that switches write to files, each as one attempt."""
