"""The page and the named endpoints. The only folder that imports gradio."""
