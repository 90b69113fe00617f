// Runs vla.cpp's SmolVLA once for every line on standard input and answers its time: `myelin bench smolvla` compares
// with it. Links vla.cpp's library; see README.md beside this file.
//
// Arguments: model.safetensors, f32 or bf16, the inputs that the bench wrote, threads.

#include "model.h"
#include "options.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

static double seconds() {
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

static std::vector<float> read_floats(std::ifstream & file, size_t count) {
    std::vector<float> values(count);
    file.read(reinterpret_cast<char *>(values.data()), static_cast<std::streamsize>(count * sizeof(float)));
    if (!file) {
        std::fprintf(stderr, "the inputs end early\n");
        std::exit(1);
    }
    return values;
}

int main(int argc, char ** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: %s model.safetensors f32|bf16 inputs threads\n", argv[0]);
        return 1;
    }
    setenv("VLA_N_THREADS", argv[4], 1);
    vla::Options options;
    options.weight_dtype = std::string(argv[2]) == "f32" ? GGML_TYPE_F32 : GGML_TYPE_BF16;

    const double started = seconds();
    vla::Model * model = vla::model_load("", argv[1], "", options);
    if (!model) {
        std::fprintf(stderr, "vla.cpp does not load %s\n", argv[1]);
        return 1;
    }
    const double load_s = seconds() - started;
    const vla::Config & config = vla::model_config(model);

    std::ifstream file(argv[3], std::ios::binary);
    const std::vector<float> sizes = read_floats(file, 5);
    const int cameras = static_cast<int>(sizes[0]), side = static_cast<int>(sizes[1]);
    const std::vector<float> pixels = read_floats(file, static_cast<size_t>(cameras) * side * side * 3);
    const std::vector<float> words = read_floats(file, static_cast<size_t>(sizes[2]));
    const std::vector<float> state = read_floats(file, static_cast<size_t>(sizes[3]));
    const std::vector<float> noise = read_floats(file, static_cast<size_t>(sizes[4]));
    const std::vector<int32_t> tokens(words.begin(), words.end());
    std::vector<vla::ImageView> views;
    for (int i = 0; i < cameras; ++i) {
        views.push_back({pixels.data() + static_cast<size_t>(i) * side * side * 3, side, side, vla::PixelFormat::F32_RGB_01});
    }
    vla::Inputs inputs{};
    inputs.images = views.data();
    inputs.n_images = cameras;
    inputs.lang_tokens = tokens.data();
    inputs.n_lang = static_cast<int>(tokens.size());
    inputs.state = state.data();
    inputs.noise = noise.data();

    const double begun = seconds();
    const std::vector<float> actions = vla::predict(model, inputs);
    const double first_s = load_s + seconds() - begun;
    if (actions.empty()) {
        std::fprintf(stderr, "vla.cpp does not answer\n");
        return 1;
    }
    std::printf("\n{\"loadS\":%.4f,\"firstS\":%.4f,\"version\":\"\",\"actions\":[", load_s, first_s);
    const size_t width = static_cast<size_t>(config.max_action_dim), used = static_cast<size_t>(config.real_action_dim);
    for (size_t row = 0; row < actions.size() / width; ++row) {
        for (size_t i = 0; i < used; ++i) std::printf("%s%.9g", row + i > 0 ? "," : "", actions[row * width + i]);
    }
    std::printf("]}\n");
    std::fflush(stdout);

    std::string line;
    while (std::getline(std::cin, line)) {
        const double from = seconds();
        vla::predict(model, inputs);
        const double ms = (seconds() - from) * 1000;
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        std::printf("{\"ms\":%.4f,\"peakMiB\":%.1f}\n", ms, static_cast<double>(usage.ru_maxrss) / 1024);
        std::fflush(stdout);
    }
    vla::model_free(model);
    return 0;
}
