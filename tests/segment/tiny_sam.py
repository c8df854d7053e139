"""A Segment Anything network of random weights, small enough for a test."""


def save(folder):
    """Writes network and processor as `save_pretrained` does and returns the folder's name."""
    import torch
    from transformers import (
        SamConfig,
        SamImageProcessor,
        SamMaskDecoderConfig,
        SamModel,
        SamProcessor,
        SamPromptEncoderConfig,
        SamVisionConfig,
    )

    torch.manual_seed(0)
    vision = SamVisionConfig(
        hidden_size=16,
        output_channels=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=64,
        patch_size=8,
        window_size=4,
        global_attn_indexes=[0],
        num_pos_feats=8,
        mlp_dim=32,
        initializer_range=0.02,
    )
    prompt = SamPromptEncoderConfig(
        hidden_size=16, image_size=64, patch_size=8, mask_input_channels=4, num_point_embeddings=4
    )
    decoder = SamMaskDecoderConfig(
        hidden_size=16, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16, num_hidden_layers=1
    )
    network = SamModel(SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder))
    sizes = {"size": {"longest_edge": 64}, "pad_size": {"height": 64, "width": 64}}
    processor = SamProcessor(SamImageProcessor(**sizes))
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)
