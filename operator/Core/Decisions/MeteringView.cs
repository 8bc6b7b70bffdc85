using System.Text.Json.Serialization;

namespace Bursar.Core.Decisions;

/// <summary>The source that measures a node's GPUs. Billing uses the API server's times and needs no such source.</summary>
public enum MeteringSource
{
    Agent,

    DcgmExporter,

    /// <summary>Not settled: the node or the operator is new, and its agent may be about to answer.</summary>
    Awaited,

    None,
}

/// <summary>The sources that measure the nodes of this budget's workloads.</summary>
/// <param name="ByAgent">The number of nodes measured by an agent.</param>
/// <param name="ByExporter">The nodes measured by a dcgm-exporter.</param>
/// <param name="Without">The nodes without a source.</param>
public sealed record MeteringView(int ByAgent, NodeNames ByExporter, [property: JsonPropertyName("byNobody")] NodeNames Without)
{
    public static MeteringView From(IEnumerable<(string Node, MeteringSource Source)> nodes)
    {
        var known = nodes.Distinct().OrderBy(node => node.Node, StringComparer.Ordinal).ToArray();
        return new(
            known.Count(node => node.Source == MeteringSource.Agent),
            NodeNames.From([.. known.Where(node => node.Source == MeteringSource.DcgmExporter).Select(node => node.Node)]),
            NodeNames.From([.. known.Where(node => node.Source == MeteringSource.None).Select(node => node.Node)])
        );
    }

    /// <summary>
    /// Returns the sources of one workload as its status names them: agent, dcgm-exporter, or api if only the API server is used.
    /// </summary>
    public static string TextOf(IEnumerable<MeteringSource> sources) =>
        string.Join(
            ", ",
            sources
                .Select(source =>
                    source switch
                    {
                        MeteringSource.Agent => "agent",
                        MeteringSource.DcgmExporter => "dcgm-exporter",
                        _ => "api",
                    }
                )
                .Distinct()
                .Order(StringComparer.Ordinal)
        );
}

/// <summary>Nodes as a message names them: a few by name, the others as a number.</summary>
public sealed record NodeNames(IReadOnlyList<string> First, int Count)
{
    private const int Named = 5;

    public static NodeNames From(IReadOnlyList<string> sorted) => new([.. sorted.Take(Named)], sorted.Count);

    public override string ToString() => string.Join(", ", First) + (Count > First.Count ? $" and {Count - First.Count} more" : "");
}
