using System.Globalization;
using System.Text;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;

namespace Bursar.Operator.Commands.Imports;

/// <summary>
/// A CSV of prices (RFC 4180 with a header line): Bursar's own columns, or the price sheets of OpenCost and Kubecost, of which only rows of
/// the asset class gpu are used.
/// </summary>
internal static class PriceCsv
{
    private const string Price = "pergpuhour";
    private const string InstancePrice = "perinstancehour";
    private const string Gpus = "gpus";
    private const string SheetPrice = "marketpricehourly";

    private static readonly string[] Own =
    [
        "product",
        "capacitytype",
        "region",
        "instancetype",
        Price,
        InstancePrice,
        Gpus,
        "from",
        "note",
    ];

    public static ImportedPrices Read(string text)
    {
        var rows = Rows(text);
        if (rows.Count == 0)
            throw new ImportException("the file is empty: a header line is expected, as product,perGpuHour");
        var (_, header) = rows[0];
        var names = header.Select(name => name.Trim().ToLowerInvariant()).ToArray();
        if (names.GroupBy(name => name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new ImportException($"line 1: two columns are named {twice.Key}");
        var isSheet = names.Contains(SheetPrice);
        if (!isSheet)
        {
            if (names.FirstOrDefault(name => !Own.Contains(name)) is { } unknown)
                throw new ImportException(
                    $"line 1: \"{unknown}\" is none of the columns product, capacityType, region, instanceType, perGpuHour, perInstanceHour, gpus, from, note"
                );
            if (!names.Contains(Price) && !(names.Contains(InstancePrice) && names.Contains(Gpus)))
                throw new ImportException("line 1: a column perGpuHour is needed, or perInstanceHour and gpus");
        }
        var rates = new List<PriceRule>();
        var leftOut = new List<string>();
        foreach (var (line, fields) in rows.Skip(1))
        {
            if (fields.Count != names.Length)
            {
                var wrong = $"line {line}: has {fields.Count} fields, the header has {names.Length}";
                // OpenCost skips such a row too.
                if (!isSheet)
                    throw new ImportException(wrong);
                leftOut.Add(wrong);
                continue;
            }
            string Field(string name) => Array.IndexOf(names, name) is >= 0 and var at ? fields[at].Trim() : "";
            if (!isSheet)
                rates.Add(Rule(line, Field));
            else if (!Field("assetclass").Equals("gpu", StringComparison.OrdinalIgnoreCase))
                leftOut.Add($"line {line}: asset class {Field("assetclass")} is not a GPU price");
            else if (SheetRule(line, Field, leftOut) is { } rule)
                rates.Add(rule);
        }
        return new(rates, leftOut);
    }

    private static PriceRule Rule(int line, Func<string, string> field)
    {
        var rate =
            field(Price).Length > 0
                ? Amount(line, "perGpuHour", field(Price))
                : PerInstance(Amount(line, "perInstanceHour", field(InstancePrice)), Count(line, field(Gpus)));
        DateTimeOffset? from = null;
        if (field("from") is { Length: > 0 } text)
            from = Rfc3339.TryParse(text, out var at)
                ? at
                : throw new ImportException($"line {line}, from: \"{text}\" is not a time such as 2026-12-01T00:00:00Z");
        return new(
            new(field("product") is { Length: > 0 } product ? product : "*")
            {
                CapacityType = Given(field("capacitytype")),
                Region = Given(field("region")),
                InstanceType = Given(field("instancetype")),
            },
            GpuHourPrice.FromDecimal(rate),
            Given(field("note"))
        )
        {
            From = from,
        };
    }

    /// <summary>
    /// Reads a row whose InstanceIDField is the node label that InstanceID matches. Null, with a remark in <paramref name="leftOut"/>, if
    /// the field names a single node (its name or provider ID) or an annotation.
    /// </summary>
    private static PriceRule? SheetRule(int line, Func<string, string> field, List<string> leftOut)
    {
        const string labels = "metadata.labels.";
        var id = field("instanceid");
        if (id.Length == 0)
            throw new ImportException($"line {line}, InstanceID: is empty");
        var by = field("instanceidfield");
        string? label = null;
        if (by.StartsWith(labels, StringComparison.OrdinalIgnoreCase))
            label = by[labels.Length..];
        else if (
            by.StartsWith("metadata.", StringComparison.OrdinalIgnoreCase)
            || by.StartsWith("spec.", StringComparison.OrdinalIgnoreCase)
            || by.StartsWith("status.", StringComparison.OrdinalIgnoreCase)
        )
        {
            leftOut.Add($"line {line}: {id} is chosen by {by}, and a price book chooses nodes by their labels");
            return null;
        }
        else if (by.Length > 0)
            label = by;
        return new(
            new(label is null ? $"*{id}*" : "*")
            {
                Region = Given(field("region")),
                InstanceType = Given(field("instancetype")),
                NodeSelector = label is null
                    ? LabelSelector.Everything
                    : new() { MatchLabels = new Dictionary<string, string> { [label] = id } },
            },
            GpuHourPrice.FromDecimal(Amount(line, "MarketPriceHourly", field(SheetPrice))),
            Given(field("version"))
        );
    }

    /// <summary>Divides an instance's price by its GPUs, with nine decimal places.</summary>
    public static decimal PerInstance(decimal price, int gpus) => decimal.Round(price / gpus, 9, MidpointRounding.ToEven);

    private static string? Given(string text) => text.Length == 0 ? null : text;

    private static decimal Amount(int line, string column, string text) =>
        DecimalText.TryParse(text, out var value)
            ? value
            : throw new ImportException($"line {line}, {column}: \"{text}\" is not an amount such as 3.06");

    private static int Count(int line, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is > 0 and <= 4096
            ? count
            : throw new ImportException($"line {line}, gpus: \"{text}\" is not a number from 1 to 4096");

    /// <summary>
    /// Splits the text into lines of fields. Quoted fields may contain commas, doubled quotes and line breaks. Empty lines and lines
    /// starting with <c>#</c> are skipped.
    /// </summary>
    private static List<(int Line, List<string> Fields)> Rows(string text)
    {
        var rows = new List<(int, List<string>)>();
        var fields = new List<string>();
        var field = new StringBuilder();
        bool quoted = false,
            wasQuoted = false;
        int line = 1,
            begin = 1;
        text = text.TrimStart('\uFEFF');
        for (var i = 0; i <= text.Length; i++)
        {
            var c = i < text.Length ? text[i] : '\n';
            if (quoted)
            {
                if (i == text.Length)
                    throw new ImportException($"line {begin}: a quote is not closed");
                if (c == '"' && i + 1 < text.Length && text[i + 1] == '"')
                    field.Append(text[i++]);
                else if (c == '"')
                    quoted = false;
                else
                    field.Append(c);
                if (c == '\n')
                    line++;
                continue;
            }
            if (c == '#' && fields.Count == 0 && field.Length == 0 && !wasQuoted)
            {
                i = text.IndexOf('\n', i) is >= 0 and var end ? end : text.Length;
                begin = ++line;
                continue;
            }
            if (c == '"' && field.Length == 0 && !wasQuoted)
                (quoted, wasQuoted) = (true, true);
            else if (c is ',' or '\n')
            {
                fields.Add(field.ToString());
                field.Clear();
                wasQuoted = false;
                if (c == ',')
                    continue;
                if (fields.Count > 1 || fields[0].Trim().Length > 0)
                    rows.Add((begin, fields));
                fields = [];
                begin = ++line;
            }
            else if (c != '\r')
                field.Append(c);
        }
        return rows;
    }
}
