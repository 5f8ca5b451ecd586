"""What a model file is, told from its header and the files beside it; never from its weights.

headers, gguf      the list of tensors at the start of a file, checked
denoisers          UNets and transformers: which family
parts              VAEs, text encoders, embeddings, ControlNets
loras              adapters: which family, which kind
metadata           what trainers write into the header
sidecars           JSON files and pictures that other tools put beside a model
folders            diffusers folders
reader             all of it: a path -> facts
"""
