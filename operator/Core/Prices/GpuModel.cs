using Bursar.Core.Text;

namespace Bursar.Core.Prices;

/// <summary>
/// The abilities of a GPU model, to find out whether a smaller one is enough. Memory, dense FP16 tensor throughput and memory bandwidth are
/// from NVIDIA's data sheets. Tokens per second of one stream are known for three models, from an article of 2025-12 on the cost of LLM applications.
/// </summary>
/// <param name="Product">The name in GPU feature discovery.</param>
/// <param name="Pattern">The products of this model.</param>
/// <param name="MemoryGiB">The memory of the whole card.</param>
/// <param name="Tflops">Dense FP16 throughput.</param>
/// <param name="TokensPerSecond">A yardstick for one stream of text. Null: unknown.</param>
public sealed record GpuModel(
    string Product,
    string Pattern,
    int MemoryGiB,
    int Tflops,
    int GigabytesPerSecond,
    int? TokensPerSecond = null
)
{
    /// <summary>Order matters: the first pattern that matches is the model.</summary>
    public static readonly IReadOnlyList<GpuModel> All =
    [
        new("NVIDIA-H200", "*H200*", 141, 989, 4800),
        new("NVIDIA-H100-80GB-HBM3", "*H100*", 80, 989, 3350, 180),
        new("NVIDIA-A100-SXM4-80GB", "*A100*80GB*", 80, 312, 2039),
        new("NVIDIA-A100-SXM4-40GB", "*A100*", 40, 312, 1555),
        new("NVIDIA-L40S", "*L40S*", 48, 362, 864),
        new("NVIDIA-A10G", "*A10G*", 24, 70, 600),
        new("NVIDIA-A10", "*-A10", 24, 125, 600, 80),
        new("NVIDIA-L4", "*-L4", 24, 121, 300),
        new("Tesla-V100-SXM2-32GB", "*V100*32GB*", 32, 125, 900),
        new("Tesla-V100-SXM2-16GB", "*V100*", 16, 125, 900),
        new("Tesla-T4", "*T4", 16, 65, 320, 40),
    ];

    /// <summary>
    /// Returns the model of a product, or null if unknown. Slices (with suffixes such as <c>-SHARED</c>) and vGPU types have none.
    /// </summary>
    public static GpuModel? Find(string product) =>
        VgpuProfile.Find(product) is not null ? null : All.FirstOrDefault(model => Glob.IsMatch(model.Pattern, product.Replace(' ', '-')));

    /// <summary>Returns the part of this card's work that another could do at most, by compute and bandwidth.</summary>
    public double CarriedBy(GpuModel other) =>
        Math.Min(other.Tflops / (double)Tflops, other.GigabytesPerSecond / (double)GigabytesPerSecond);
}
