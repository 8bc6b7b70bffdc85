using System.Globalization;
using System.Text;

namespace Bursar.Sandbox.Nodes;

/// <summary>
/// Writes the metrics page of a simulated server. prometheus-net has no histogram with given buckets and sum, which these pages need.
/// </summary>
internal sealed class MetricsPage((string Name, string Value)[] labels)
{
    private readonly StringBuilder _text = new();
    private readonly string _labels = string.Join(
        ',',
        labels.Select(label => $"{label.Name}=\"{label.Value.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n")}\"")
    );

    public byte[] ToUtf8() => Encoding.UTF8.GetBytes(_text.ToString());

    /// <param name="name">The family's name.</param>
    /// <param name="help">The family's help.</param>
    /// <param name="value">The value of its single sample.</param>
    /// <param name="only">The sample's formatted labels; null for the page's.</param>
    public MetricsPage Gauge(string name, string help, double value, string? only = null) =>
        Family(name, "gauge", help).Sample(name, only ?? _labels, value);

    public MetricsPage Counter(string name, string help, double value, string more = "") =>
        Family(name, "counter", help).Sample(name, With(more), value);

    /// <param name="name">The family's name.</param>
    /// <param name="help">The family's help.</param>
    /// <param name="buckets">The upper bounds without +Inf and the number of observations at or below each.</param>
    /// <param name="sum">The sum of all observations.</param>
    /// <param name="count">The number of all observations.</param>
    public MetricsPage Histogram(
        string name,
        string help,
        IEnumerable<(double UpperBound, long Cumulative)> buckets,
        double sum,
        long count
    )
    {
        Family(name, "histogram", help);
        foreach (var (bound, cumulative) in buckets)
            Sample($"{name}_bucket", With(string.Create(CultureInfo.InvariantCulture, $"le=\"{bound:R}\"")), cumulative);
        return Sample($"{name}_bucket", With("le=\"+Inf\""), count)
            .Sample($"{name}_sum", _labels, sum)
            .Sample($"{name}_count", _labels, count);
    }

    private MetricsPage Family(string name, string type, string help)
    {
        _text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");
        return this;
    }

    private string With(string more) => string.Join(',', ((string[])[_labels, more]).Where(part => part.Length > 0));

    private MetricsPage Sample(string name, string labels, double value)
    {
        _text.Append(name);
        if (labels.Length > 0)
            _text.Append('{').Append(labels).Append('}');
        _text.Append(CultureInfo.InvariantCulture, $" {value:R}\n");
        return this;
    }
}
