using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Kube.Objects;
using Bursar.Operator.Workloads;

namespace Bursar.Operator.Metering;

/// <summary>What a node's GPUs are, and what one costs.</summary>
public static class GpuProduct
{
    public const string Label = "nvidia.com/gpu.product";

    public static string Of(V1Node node) => node.Metadata.Labels.TryGetValue(Label, out var product) ? product : "";

    public static int Count(V1Node node) =>
        (node.Status.Capacity.TryGetValue(GpuRequest.WholeGpu, out var text) || node.Status.Allocatable.TryGetValue(GpuRequest.WholeGpu, out text))
        && KubernetesQuantity.TryParse(text, out var count) ? (int)Math.Clamp(count.ToInt64(), 0, 4096) : 0;

    /// <summary>
    /// The price of one whole device; null when nothing matches, and for slices and shared slots: a unit of those is not
    /// a card, and billing it as one is wrong by the number of slices. They stay unpriced, and said to be so.
    /// </summary>
    public static Rate? RateOf(string product, PriceBook book) => IsSlice(product) ? null : book.RateFor(product);

    public static bool IsSlice(string product) =>
        product.Contains("-MIG-", StringComparison.Ordinal) || product.EndsWith("-SHARED", StringComparison.Ordinal);
}
