"""Small tokenizers with the structure of the published ones, whose files may not be passed on."""

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = [
    "Task: put the red cube into the blue box, then push the button, State: 12 128 255 -1 0 7 99;\nAction: ",
    "Task: clean the table. Subtask: pick up the plate.;\nAction: ",
    "User: fold the shirt\nAssistant: move to the table and grasp the sleeve",
    "sort the cubes by colour and close the drawer with the left gripper",
]


def paligemma_like() -> Tokenizer:
    """Byte-pair encoding over text whose spaces are marks, unknown characters as bytes, a beginning token first."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    octets = [f"<0x{value:02X}>" for value in range(256)]
    places = [f"<loc{value:04}>" for value in range(4)] + ["<unused0>", "<unused1>"]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=specials + octets, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    described = tokenizer.to_str()
    import json

    parts = json.loads(described)
    # Bytes are part of the vocabulary, not marks to look for in the text.
    parts["added_tokens"] = [token for token in parts["added_tokens"] if token["content"] in specials]
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.add_tokens([AddedToken(place, normalized=False) for place in places])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", 2)]
    )
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def smollm_like() -> Tokenizer:
    """Byte-pair encoding over bytes, digits one by one, no beginning token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<global-img>"]
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
