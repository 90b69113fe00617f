import { TensorInventory } from '../onnx/weights.ts';
import type { TensorShapes } from './kind.ts';
import { smolVlaPrefix, smolVlaStep, smolVlaVision } from './smolvla.ts';
import { type SmolVlaConfig, smolVlaInterface } from './smolvla-config.ts';
import { expertLayers } from './smolvla-layers.ts';
import { EXPERT, HEAD_WIDTH, MODEL, type SmolVlaSizes, type TransformerSizes, VLM } from './smolvla-sizes.ts';

/** What a SmolVLA network runs on: its tensors, and those of them that activations are multiplied by. */
export function smolVlaInventory(config: SmolVlaConfig, file: string, sizes: SmolVlaSizes): TensorInventory {
  const inventory = new TensorInventory();
  const layers = expertLayers(config, sizes, file);
  smolVlaVision(sizes, smolVlaInterface(config, file).side, inventory);
  smolVlaPrefix(config, sizes, layers, inventory);
  smolVlaStep(config, sizes, layers, inventory);
  return inventory;
}

/** Every tensor a trainer stores, in its order, those that acting has no use for included. */
export function smolVlaStoredTensors(config: SmolVlaConfig, file: string, sizes: SmolVlaSizes): TensorShapes {
  const tensors = new Map<string, readonly number[]>();
  const { vision, text, expert, shuffle, heads, kvHeads } = sizes;
  const weight = (name: string, ...shape: number[]) => tensors.set(`${name}.weight`, shape);
  const affine = (name: string, ...shape: number[]) =>
    weight(name, ...shape).set(`${name}.bias`, shape.slice(0, 1));
  const decoderLayer = (name: string, size: TransformerSizes, kvInputs: number) => {
    const { width, hidden } = size;
    weight(`${name}.self_attn.q_proj`, heads * HEAD_WIDTH, width);
    weight(`${name}.self_attn.k_proj`, kvHeads * HEAD_WIDTH, kvInputs);
    weight(`${name}.self_attn.v_proj`, kvHeads * HEAD_WIDTH, kvInputs);
    weight(`${name}.self_attn.o_proj`, width, heads * HEAD_WIDTH);
    weight(`${name}.mlp.gate_proj`, hidden, width);
    weight(`${name}.mlp.up_proj`, hidden, width);
    weight(`${name}.mlp.down_proj`, width, hidden);
    weight(`${name}.input_layernorm`, width);
    weight(`${name}.post_attention_layernorm`, width);
  };

  const { width, hidden, patch, positions } = vision;
  affine(`${VLM}vision_model.embeddings.patch_embedding`, width, 3, patch, patch);
  weight(`${VLM}vision_model.embeddings.position_embedding`, positions, width);
  for (let i = 0; i < vision.layers; i++) {
    const layer = `${VLM}vision_model.encoder.layers.${i}`;
    for (const name of ['k_proj', 'v_proj', 'q_proj', 'out_proj'])
      affine(`${layer}.self_attn.${name}`, width, width);
    affine(`${layer}.layer_norm1`, width);
    affine(`${layer}.mlp.fc1`, hidden, width);
    affine(`${layer}.mlp.fc2`, width, hidden);
    affine(`${layer}.layer_norm2`, width);
  }
  affine(`${VLM}vision_model.post_layernorm`, width);
  weight(`${VLM}connector.modality_projection.proj`, text.width, width * shuffle ** 2);
  weight(`${VLM}text_model.embed_tokens`, text.vocabulary, text.width);
  for (let i = 0; i < text.layers; i++) decoderLayer(`${VLM}text_model.layers.${i}`, text, text.width);
  weight(`${VLM}text_model.norm`, text.width);
  weight(`${MODEL}vlm_with_expert.vlm.lm_head`, text.vocabulary, text.width);
  for (const { expert: own, attention } of expertLayers(config, sizes, file)) {
    decoderLayer(
      `${EXPERT}layers.${own}`,
      expert,
      attention === 'self' ? expert.width : kvHeads * HEAD_WIDTH,
    );
  }
  weight(`${EXPERT}norm`, expert.width);
  affine(`${MODEL}state_proj`, text.width, config.max_state_dim);
  affine(`${MODEL}action_in_proj`, expert.width, config.max_action_dim);
  affine(`${MODEL}action_out_proj`, config.max_action_dim, expert.width);
  affine(`${MODEL}action_time_mlp_in`, expert.width, 2 * expert.width);
  affine(`${MODEL}action_time_mlp_out`, expert.width, expert.width);
  return tensors;
}
