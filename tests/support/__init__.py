"""What tests share: servers, tables and keepers to work on, models, processes of their own."""
