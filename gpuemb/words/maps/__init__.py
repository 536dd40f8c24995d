"""Words on a plane: principal components, t-SNE and UMAP, and how far each picture can be trusted."""
