using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Crds;
using Bursar.Operator.Commands.Imports;

namespace Bursar.Operator.Commands;

/// <summary>
/// <c>bursar generate pricebook</c>: writes a GpuPriceBook from other price lists, or from the built-in list of dated public prices.
/// </summary>
internal static class GeneratePriceBookCommand
{
    private const long LargestFile = 8 * 1024 * 1024;

    public static Command Create()
    {
        var from = new Option<FileInfo?>("--from")
        {
            Description =
                "A CSV of prices, OpenCost's custom pricing (JSON, ConfigMap or chart values) or Karpenter NodeOverlays (YAML or JSON). Left out: the built-in list prices.",
        };
        var format = new Option<string>("--format")
        {
            Description = "csv, opencost or nodeoverlay; auto detects it.",
            DefaultValueFactory = _ => "auto",
        };
        format.AcceptOnlyFromAmong("auto", "csv", "opencost", "nodeoverlay");
        var list = new Option<string>("--list")
        {
            Description =
                "Without --from: which built-in list, public (dated list prices) or founding (the rates of two articles of 2025 and 2026, for their examples; not list prices).",
            DefaultValueFactory = _ => "public",
        };
        list.AcceptOnlyFromAmong("public", "founding");
        var name = new Option<string>("--name") { Description = "The book's name.", DefaultValueFactory = _ => DefaultPriceBook.Name };
        var currency = new Option<string>("--currency")
        {
            Description = "The currency of the prices.",
            DefaultValueFactory = _ => DefaultPriceBook.Currency,
        };
        var monthly = new Option<bool>("--monthly") { Description = "OpenCost's prices are per month of 730 hours." };
        var gpus = new Option<string[]>("--gpus")
        {
            Description = "How many GPUs an instance type has, as p5.48xlarge=8; for NodeOverlays. May be repeated.",
        };
        var command = new Command("pricebook", "Write a GpuPriceBook as YAML, from other price lists.")
        {
            from,
            format,
            list,
            name,
            currency,
            monthly,
            gpus,
        };
        command.SetAction(parsed =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            var counts = (parsed.GetValue(gpus) ?? [])
                .Select(ReadCount)
                .ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
            var file = parsed.GetValue(from);
            var prices = file is null
                ? new((parsed.GetRequiredValue(list) == "founding" ? DefaultPriceBook.Founding : DefaultPriceBook.Book).Rates, [])
                : Read(ReadText(file), parsed.GetRequiredValue(format), file.Extension, parsed.GetValue(monthly), counts);
            foreach (var left in prices.LeftOut)
                error.WriteLine($"left out: {left}");
            foreach (var doubt in prices.Doubts)
                error.WriteLine($"check: {doubt}");
            output.Write(Write(prices, parsed.GetRequiredValue(name), parsed.GetRequiredValue(currency), file?.Name));
            return 0;
        });
        return command;
    }

    public static ImportedPrices Read(string text, string format, string extension, bool monthly, IReadOnlyDictionary<string, int> gpus)
    {
        if (format == "auto")
            format =
                extension.Equals(".csv", StringComparison.OrdinalIgnoreCase) ? "csv"
                : extension is not (".yaml" or ".yml" or ".json")
                && text.AsSpan().TrimStart() is var start
                && start[..(start.IndexOf('\n') is >= 0 and var end ? end : start.Length)].Contains(',')
                && !start.StartsWith("{")
                    ? "csv"
                : YamlNodes.Documents(text) is var documents && documents.Any(NodeOverlayPrices.Recognizes) ? "nodeoverlay"
                : documents.Any(OpenCostPrices.Recognizes) ? "opencost"
                : throw new ImportException(
                    "it is neither a CSV with a header, nor OpenCost's custom pricing, nor a NodeOverlay; --format says which it should be"
                );
        var prices = format switch
        {
            "csv" => PriceCsv.Read(text),
            "opencost" => OpenCostPrices.Read(text, monthly),
            _ => NodeOverlayPrices.Read(text, gpus),
        };
        return prices.Rates.Count > 0
            ? prices
            : throw new ImportException(
                "no price could be taken over" + (prices.LeftOut.Count > 0 ? ": " + string.Join("; ", prices.LeftOut.Take(3)) : "")
            );
    }

    /// <summary>Returns the book as YAML after it was validated as the operator does.</summary>
    public static string Write(ImportedPrices prices, string name, string currency, string? source)
    {
        var book = GpuPriceBookReader.ToObject(new(name, 1, currency, prices.Rates));
        if (GpuPriceBookReader.Read(book, out _) is { Count: > 0 } errors)
            throw new ImportException(errors[0].ToString());
        var node = JsonSerializer.SerializeToNode(book, ApiJson.GpuPriceBook)!.AsObject();
        var rates = node["spec"]!["rates"]!.AsArray();
        foreach (var rate in rates)
            if (rate!["match"] is JsonObject { Count: > 1 } match && match["product"]?.GetValue<string>() == "*")
                match.Remove("product");
        return $"# A GpuPriceBook made by `bursar generate pricebook`{(source is null ? "" : $" from {source}")}: {rates.Count.ToString(CultureInfo.InvariantCulture)} rates, the first that matches wins.\n{YamlText.Write(node)}";
    }

    private static string ReadText(FileInfo file) =>
        !file.Exists ? throw new ImportException($"there is no file {file.Name}")
        : file.Length > LargestFile ? throw new ImportException($"{file.Name} is larger than 8 MiB")
        : File.ReadAllText(file.FullName);

    private static KeyValuePair<string, int> ReadCount(string text) =>
        text.Split('=') is [{ Length: > 0 } type, var number]
        && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
        && count is > 0 and <= 4096
            ? new(type, count)
            : throw new ImportException($"--gpus: \"{text}\" is not TYPE=N, as p5.48xlarge=8");
}
