"""Lines of JSON over HTTP. Needs the extra `http`: Starlette and uvicorn."""
