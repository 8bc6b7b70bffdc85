namespace Bursar.Agent.Scrape;

/// <summary>
/// Compares names of metrics and treats a colon like an underscore, because OpenMetrics clients, OpenTelemetry collectors and others
/// turn <c>vllm:prompt_tokens_total</c> into <c>vllm_prompt_tokens_total</c>.
/// </summary>
internal sealed class MetricNameComparer : IEqualityComparer<string>
{
    public static readonly MetricNameComparer Instance = new();

    public static bool Same(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        if (one.Length != other.Length)
            return false;
        for (int i = 0; i < one.Length; i++)
            if (one[i] != other[i] && (one[i], other[i]) is not ((byte)':', (byte)'_') and not ((byte)'_', (byte)':'))
                return false;
        return true;
    }

    public bool Equals(string? one, string? other) => one == other || one is not null && other is not null && Plain(one) == Plain(other);

    public int GetHashCode(string name)
    {
        var hash = new HashCode();
        foreach (char letter in name)
            hash.Add(letter == ':' ? '_' : letter);
        return hash.ToHashCode();
    }

    private static string Plain(string name) => name.Replace(':', '_');
}
