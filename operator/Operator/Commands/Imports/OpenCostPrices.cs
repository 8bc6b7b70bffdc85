using System.Globalization;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using YamlDotNet.RepresentationModel;

namespace Bursar.Operator.Commands.Imports;

/// <summary>
/// OpenCost's custom pricing: its <c>default.json</c>, a ConfigMap with it or its fields, or its chart's values
/// (<c>customPricing.costModel</c>). Prices are per hour. Versions before mid-2026 treated those of a ConfigMap as monthly and divided them
/// by 730, so there is an option for monthly prices.
/// </summary>
internal static class OpenCostPrices
{
    private const decimal HoursOfAMonth = 730;
    private const decimal Suspicious = 100;

    public static bool Recognizes(YamlMappingNode document) => Model(document) is not null;

    public static ImportedPrices Read(string text, bool monthly)
    {
        foreach (var document in YamlNodes.Documents(text))
        {
            if (Model(document) is not { } model)
                continue;
            var gpu = Amount(model, "GPU", monthly) ?? throw new ImportException("GPU: is missing, there is not a GPU price");
            var leftOut = new List<string> { "CPU, RAM, storage and network: Bursar prices GPUs, with what a node has beside them" };
            if (!monthly && gpu > Suspicious)
                leftOut.Add(
                    string.Create(CultureInfo.InvariantCulture, $"GPU: {gpu} an hour is a lot; if it is for a month, use --monthly")
                );
            var product = Label(model, "gpuLabel", "gpuLabelValue");
            var rates = new List<PriceRule>();
            if (Amount(model, "spotGPU", monthly) is { } spot)
            {
                var isSpot = Label(model, "spotLabel", "spotLabelValue");
                rates.Add(
                    new(
                        new()
                        {
                            CapacityType = isSpot.Count == 0 ? PricedNode.Spot : null,
                            NodeSelector = Selector([.. product, .. isSpot]),
                        },
                        GpuHourPrice.FromDecimal(spot),
                        "OpenCost custom pricing, spotGPU"
                    )
                );
            }
            rates.Add(new(new() { NodeSelector = Selector(product) }, GpuHourPrice.FromDecimal(gpu), "OpenCost custom pricing, GPU"));
            return new(rates, leftOut);
        }
        throw new ImportException("no OpenCost custom pricing is in it: a field GPU is expected");
    }

    private static YamlMappingNode? Model(YamlMappingNode document)
    {
        if (document.Map("data") is { } data)
        {
            foreach (var (name, value) in data.Children)
                if (
                    name is YamlScalarNode { Value: { } file }
                    && file.EndsWith(".json", StringComparison.Ordinal)
                    && value is YamlScalarNode { Value: { } json }
                    && YamlNodes.Documents(json).FirstOrDefault(one => one.Text("GPU") is not null) is { } inside
                )
                    return inside;
            if (data.Text("GPU") is not null)
                return data;
        }
        foreach (
            var model in new[]
            {
                document,
                document.Map("opencost", "customPricing", "costModel"),
                document.Map("customPricing", "costModel"),
                document.Map("costModel"),
            }
        )
            if (model?.Text("GPU") is not null)
                return model;
        return null;
    }

    private static decimal? Amount(YamlMappingNode model, string field, bool monthly)
    {
        if (model.Text(field) is not { } text)
            return null;
        if (!DecimalText.TryParse(text, out var value))
            throw new ImportException($"{field}: \"{text}\" is not an amount such as 0.95");
        return monthly ? decimal.Round(value / HoursOfAMonth, 9, MidpointRounding.ToEven) : value;
    }

    private static Dictionary<string, string> Label(YamlMappingNode model, string label, string value) =>
        model.Text(label) is { } key && model.Text(value) is { } text ? new() { [key] = text } : [];

    private static LabelSelector Selector(IEnumerable<KeyValuePair<string, string>> labels) =>
        new() { MatchLabels = new Dictionary<string, string>(labels.DistinctBy(pair => pair.Key)) };
}
