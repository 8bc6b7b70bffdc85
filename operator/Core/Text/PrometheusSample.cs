namespace Bursar.Core.Text;

/// <summary>One sample with its own strings. Labels are in the order of the text.</summary>
public sealed record PrometheusSample(string Name, IReadOnlyList<KeyValuePair<string, string>> Labels, double Value, long? TimestampMs)
{
    public string? Label(string name)
    {
        foreach (var (key, value) in Labels)
            if (key == name)
                return value;
        return null;
    }
}

/// <summary>A line that is neither a sample nor a comment, and the reason. Lines are counted from 1.</summary>
public sealed record PrometheusTextError(int Line, string Reason);

/// <summary>The result of reading a text: the number of samples, the number of rejected lines, and the first of those.</summary>
public sealed record PrometheusReadResult(int Samples, int Refused, IReadOnlyList<PrometheusTextError> Errors);

/// <summary>A text that was rejected as a whole.</summary>
public sealed class PrometheusFormatException(PrometheusTextError error) : FormatException($"line {error.Line}: {error.Reason}")
{
    public PrometheusTextError Error { get; } = error;
}
