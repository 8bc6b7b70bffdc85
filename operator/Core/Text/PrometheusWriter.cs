using System.Globalization;
using System.Text;

namespace Bursar.Core.Text;

public enum PrometheusType
{
    Counter,
    Gauge,
    Histogram,
    Untyped,
}

/// <summary>
/// Writes the text format 0.0.4, the same text for the same samples: families by name, samples by labels. A sample
/// given twice stands once, with the later value, since a scrape with duplicates is refused as a whole.
/// </summary>
public sealed class PrometheusWriter
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly SortedDictionary<string, PrometheusFamily> families = new(StringComparer.Ordinal);

    /// <summary>Adds a family, or gives the one of that name. A family without samples still shows its HELP and TYPE.</summary>
    public PrometheusFamily Family(string name, PrometheusType type, string help)
    {
        if (!families.TryGetValue(name, out var family)) families.Add(name, family = new(name, type, help));
        return family;
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var family in families.Values) family.Write(text);
        return text.ToString();
    }

    public byte[] ToUtf8() => Encoding.UTF8.GetBytes(ToString());

    internal static void AppendNumber(StringBuilder text, double value)
    {
        if (double.IsNaN(value)) text.Append("NaN");
        else if (double.IsInfinity(value)) text.Append(value > 0 ? "+Inf" : "-Inf");
        else text.Append(CultureInfo.InvariantCulture, $"{value:R}");
    }
}

/// <summary>One metric with its HELP and TYPE and the samples under it.</summary>
public sealed class PrometheusFamily
{
    private readonly string name;
    private readonly PrometheusType type;
    private readonly string help;
    private readonly SortedDictionary<string, string> blocks = new(StringComparer.Ordinal);

    internal PrometheusFamily(string name, PrometheusType type, string help)
    {
        this.name = name;
        this.type = type;
        this.help = help;
    }

    public void Sample(double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        var key = Labels(labels);
        var text = new StringBuilder();
        AppendSample(text, "", key, "", value);
        blocks[key] = text.ToString();
    }

    /// <summary>A histogram's lines: buckets count what is at or below their bound, and the last, +Inf, is <paramref name="count"/>.</summary>
    public void Histogram(ReadOnlySpan<(double UpperBound, long Cumulative)> buckets, double sum, long count, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        var key = Labels(labels);
        var text = new StringBuilder();
        foreach (var (bound, cumulative) in buckets)
        {
            if (double.IsPositiveInfinity(bound)) continue;
            var le = new StringBuilder();
            PrometheusWriter.AppendNumber(le, bound);
            AppendSample(text, "_bucket", key, $"le=\"{le}\"", cumulative);
        }
        AppendSample(text, "_bucket", key, "le=\"+Inf\"", count);
        AppendSample(text, "_sum", key, "", sum);
        AppendSample(text, "_count", key, "", count);
        blocks[key] = text.ToString();
    }

    internal void Write(StringBuilder text)
    {
        text.Append("# HELP ").Append(name).Append(' ').Append(help.Replace("\\", "\\\\").Replace("\n", "\\n")).Append('\n');
        text.Append("# TYPE ").Append(name).Append(' ').Append(type switch
        {
            PrometheusType.Counter => "counter",
            PrometheusType.Gauge => "gauge",
            PrometheusType.Histogram => "histogram",
            _ => "untyped",
        }).Append('\n');
        foreach (var block in blocks.Values) text.Append(block);
    }

    private void AppendSample(StringBuilder text, string suffix, string labels, string extra, double value)
    {
        text.Append(name).Append(suffix);
        if (labels.Length + extra.Length > 0)
        {
            text.Append('{').Append(labels);
            if (labels.Length > 0 && extra.Length > 0) text.Append(',');
            text.Append(extra).Append('}');
        }
        text.Append(' ');
        PrometheusWriter.AppendNumber(text, value);
        text.Append('\n');
    }

    private static string Labels(ReadOnlySpan<(string Name, string Value)> labels)
    {
        var text = new StringBuilder();
        foreach (var (key, value) in labels)
        {
            if (text.Length > 0) text.Append(',');
            text.Append(key).Append("=\"").Append(value.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n")).Append('"');
        }
        return text.ToString();
    }
}
