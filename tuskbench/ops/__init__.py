"""Building blocks shared by components: geometry, rendering and sampling on tensors."""
