using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Selects the pods that are dcgm-exporters, as <c>namespace/key=value,key=value;namespace/key=value</c>. A namespace is required, because
/// every user who can create pods in it is trusted about the GPUs of those pods' nodes.
/// </summary>
internal sealed class ExporterSelection
{
    public static readonly ExporterSelection None = new([]);

    private readonly (string Namespace, LabelSelector Labels)[] _selections;

    private ExporterSelection((string Namespace, LabelSelector Labels)[] selections) => _selections = selections;

    /// <exception cref="FormatException">The text is invalid; the message names the part.</exception>
    public static ExporterSelection Parse(string text)
    {
        var selections = new List<(string, LabelSelector)>();
        foreach (var one in text.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var slash = one.IndexOf('/');
            if (slash <= 0 || one[..slash].Contains('='))
                throw new FormatException($"\"{one}\" names no namespace: write namespace/key=value");
            var labels = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var pair in one[(slash + 1)..].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                var equals = pair.IndexOf('=');
                var (key, value) = equals < 0 ? (pair, "") : (pair[..equals], pair[(equals + 1)..]);
                if (equals < 0 || (LabelSyntax.KeyError(key) ?? LabelSyntax.ValueError(value)) is not null)
                    throw new FormatException($"\"{pair}\" in \"{one}\" is not a label: write key=value");
                labels[key] = value;
            }
            if (labels.Count == 0)
                throw new FormatException($"\"{one}\" names no label, so every pod of the namespace would be read");
            selections.Add((one[..slash], new() { MatchLabels = labels }));
        }
        return new([.. selections]);
    }

    public bool Matches(V1Pod pod)
    {
        foreach (var (ns, labels) in _selections)
            if (pod.Metadata.Namespace == ns && labels.Matches(pod.Metadata.Labels))
                return true;
        return false;
    }
}
