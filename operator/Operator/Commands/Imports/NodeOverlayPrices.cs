using System.Globalization;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using YamlDotNet.RepresentationModel;

namespace Bursar.Operator.Commands.Imports;

/// <summary>
/// Karpenter's NodeOverlays (one, several, or a list). Their price is per instance, so the number of its GPUs must be known. An adjustment
/// refers to a price that only Karpenter knows and is not imported.
/// </summary>
internal static class NodeOverlayPrices
{
    private const string InstanceType = "node.kubernetes.io/instance-type";
    private const string CapacityType = "karpenter.sh/capacity-type";
    private const string Region = "topology.kubernetes.io/region";
    private const int MostCombinations = 200;

    private static readonly string[] GpuCounts = ["karpenter.k8s.aws/instance-gpu-count", "karpenter.azure.com/sku-gpu-count"];

    public static bool Recognizes(YamlMappingNode document) => Overlays(document).Any();

    /// <param name="gpusOf">The user's number of GPUs per instance type; takes precedence over the built-in table.</param>
    public static ImportedPrices Read(string text, IReadOnlyDictionary<string, int> gpusOf)
    {
        var rates = new List<PriceRule>();
        List<string> leftOut = [],
            doubts = [];
        var overlays = YamlNodes.Documents(text).SelectMany(Overlays).ToArray();
        if (overlays.Length == 0)
            throw new ImportException("no NodeOverlay is in it");
        // Karpenter's order: by weight, then by name, the last name first.
        foreach (var overlay in overlays.OrderByDescending(Weight).ThenByDescending(Name, StringComparer.Ordinal))
            Read(overlay, gpusOf, rates, leftOut, doubts);
        return new(rates, leftOut) { Doubts = doubts };
    }

    private static void Read(
        YamlMappingNode overlay,
        IReadOnlyDictionary<string, int> gpusOf,
        List<PriceRule> rates,
        List<string> leftOut,
        List<string> doubts
    )
    {
        var name = $"NodeOverlay {Name(overlay)}";
        if (overlay.Map("spec") is not { } spec || spec.Text("price") is not { } price)
        {
            leftOut.Add(
                overlay.Map("spec")?.Text("priceAdjustment") is { } adjustment
                    ? $"{name}: adjusts by {adjustment} a price that only Karpenter knows"
                    : $"{name}: has no price"
            );
            return;
        }
        if (!DecimalText.TryParse(price, out var amount))
            throw new ImportException($"{name}, spec.price: \"{price}\" is not an amount such as 12.5");
        List<string?> types = [null],
            capacities = [null],
            regions = [null];
        var others = new List<LabelRequirement>();
        int? gpus = null;
        // Capacity counts requestable units, including time slices. It counts as cards only if nothing else has their number.
        int? capacity =
            spec.Map("capacity")?.Text("nvidia.com/gpu") is { } added
            && int.TryParse(added, NumberStyles.None, CultureInfo.InvariantCulture, out var units)
                ? units
                : null;
        foreach (var requirement in spec.List("requirements").OfType<YamlMappingNode>())
        {
            var term = new LabelRequirement(
                requirement.Text("key") ?? "",
                requirement.Text("operator") ?? "",
                [.. requirement.List("values").OfType<YamlScalarNode>().Select(value => value.Value ?? "")]
            );
            if (!term.TryOperator(out var operation))
            {
                leftOut.Add($"{name}: {term.Key} {term.Operator} cannot be expressed in a price book");
                return;
            }
            var isIn = operation == LabelOperator.In && term.Values.Count > 0;
            if (isIn && term.Key == InstanceType)
                types = Among(types, term);
            else if (isIn && term.Key == CapacityType)
                capacities = Among(capacities, term);
            else if (isIn && term.Key == Region)
                regions = Among(regions, term);
            else
                others.Add(term);
            if (
                isIn
                && GpuCounts.Contains(term.Key)
                && term.Values is [var count]
                && int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var counted)
            )
                gpus = counted;
        }
        if (types.Count == 0 || capacities.Count == 0 || regions.Count == 0)
        {
            leftOut.Add($"{name}: no instance fulfils its requirements");
            return;
        }
        if ((long)types.Count * capacities.Count * regions.Count > MostCombinations)
        {
            leftOut.Add($"{name}: its requirements are more than {MostCombinations} rates");
            return;
        }
        foreach (var type in types)
        {
            var known =
                type is not null && gpusOf.TryGetValue(type, out var given)
                    ? given
                    : gpus ?? (type is null ? null : InstanceGpus.Find(type));
            if (known is not > 0 && capacity is > 0)
            {
                known = capacity;
                doubts.Add(
                    $"{name}: its price is divided by its capacity of {capacity} nvidia.com/gpu; where these are shares of fewer cards, use --gpus {type ?? "TYPE"}=CARDS"
                );
            }
            if (known is not > 0)
            {
                leftOut.Add($"{name}: how many GPUs {type ?? "its instances"} have is not known; use --gpus {type ?? "TYPE"}=N");
                continue;
            }
            foreach (var capacityType in capacities)
            foreach (var region in regions)
                rates.Add(
                    new(
                        new()
                        {
                            InstanceType = type,
                            CapacityType = capacityType,
                            Region = region,
                            NodeSelector = new() { MatchExpressions = [.. others] },
                        },
                        GpuHourPrice.FromDecimal(PriceCsv.PerInstance(amount, known.Value)),
                        string.Create(CultureInfo.InvariantCulture, $"Karpenter {name}, {amount} for {known} GPU")
                    )
                );
        }
    }

    /// <summary>Combines several requirements for one key, which must all hold.</summary>
    private static List<string?> Among(List<string?> values, LabelRequirement term) =>
        values is [null] ? [.. term.Values] : [.. values.Intersect(term.Values)];

    private static IEnumerable<YamlMappingNode> Overlays(YamlMappingNode document) =>
        document.Text("kind") == "NodeOverlay"
            ? [document]
            : document.List("items").OfType<YamlMappingNode>().Where(item => item.Text("kind") == "NodeOverlay");

    private static string Name(YamlMappingNode overlay) => overlay.Map("metadata")?.Text("name") ?? "without a name";

    private static int Weight(YamlMappingNode overlay) =>
        int.TryParse(overlay.Map("spec")?.Text("weight"), NumberStyles.None, CultureInfo.InvariantCulture, out var weight) ? weight : 0;
}

/// <summary>GPUs of AWS instance types, whose names do not contain the number.</summary>
internal static class InstanceGpus
{
    private static readonly Dictionary<string, int> Known = Read(
        """
        p3.2xlarge 1  p3.8xlarge 4  p3.16xlarge 8  p3dn.24xlarge 8  p4d.24xlarge 8  p4de.24xlarge 8  p5.4xlarge 1  p5.48xlarge 8  p5e.48xlarge 8  p5en.48xlarge 8
        p6-b200.48xlarge 8  p6-b300.48xlarge 8
        g4dn.xlarge 1  g4dn.2xlarge 1  g4dn.4xlarge 1  g4dn.8xlarge 1  g4dn.12xlarge 4  g4dn.16xlarge 1  g4dn.metal 8
        g5.xlarge 1  g5.2xlarge 1  g5.4xlarge 1  g5.8xlarge 1  g5.12xlarge 4  g5.16xlarge 1  g5.24xlarge 4  g5.48xlarge 8
        g6.xlarge 1  g6.2xlarge 1  g6.4xlarge 1  g6.8xlarge 1  g6.12xlarge 4  g6.16xlarge 1  g6.24xlarge 4  g6.48xlarge 8
        g6e.xlarge 1  g6e.2xlarge 1  g6e.4xlarge 1  g6e.8xlarge 1  g6e.12xlarge 4  g6e.16xlarge 1  g6e.24xlarge 4  g6e.48xlarge 8
        """
    );

    public static int? Find(string type) => Known.TryGetValue(type, out var gpus) ? gpus : null;

    private static Dictionary<string, int> Read(string table)
    {
        var parts = table.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var known = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i + 1 < parts.Length; i += 2)
            known.Add(parts[i], int.Parse(parts[i + 1], CultureInfo.InvariantCulture));
        return known;
    }
}
