namespace Bursar.Core.Text;

/// <summary>One sample with its own strings. Labels stand in the order of the text.</summary>
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

/// <summary>A line that is no sample and no comment, and why. Lines are counted from 1.</summary>
public sealed record PrometheusTextError(int Line, string Reason);

/// <summary>How a text read: samples handed on, lines refused, and the first of those.</summary>
public sealed record PrometheusReadResult(int Samples, int Refused, IReadOnlyList<PrometheusTextError> Errors);

/// <summary>A text that was refused as a whole.</summary>
public sealed class PrometheusFormatException(PrometheusTextError error) : FormatException($"line {error.Line}: {error.Reason}")
{
    public PrometheusTextError Error { get; } = error;
}
