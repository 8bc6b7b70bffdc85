namespace Bursar.Core.Decisions;

/// <summary>Who measures what a node's GPUs do. What they cost the API server's times tell in any case.</summary>
public enum MeteringSource
{
    Agent,

    DcgmExporter,

    /// <summary>Not settled: the node or the operator is new, and its agent may be about to answer.</summary>
    Awaited,

    Nobody,
}

/// <summary>Who measures on the nodes that this budget's work is on.</summary>
/// <param name="ByAgent">How many nodes an agent measures.</param>
/// <param name="ByExporter">The nodes whose dcgm-exporter is read.</param>
/// <param name="ByNobody">The nodes without either.</param>
public sealed record MeteringView(int ByAgent, NodeNames ByExporter, NodeNames ByNobody)
{
    public static MeteringView Of(IEnumerable<(string Node, MeteringSource Source)> nodes)
    {
        var known = nodes.Distinct().OrderBy(one => one.Node, StringComparer.Ordinal).ToArray();
        return new(
            known.Count(one => one.Source == MeteringSource.Agent),
            NodeNames.Of([.. known.Where(one => one.Source == MeteringSource.DcgmExporter).Select(one => one.Node)]),
            NodeNames.Of([.. known.Where(one => one.Source == MeteringSource.Nobody).Select(one => one.Node)])
        );
    }

    /// <summary>
    /// One workload's sources, as its status names them: agent, dcgm-exporter, and api where nothing but the API server tells of it.
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

/// <summary>Nodes as a sentence names them: a few by name, the others by number.</summary>
public sealed record NodeNames(IReadOnlyList<string> First, int Count)
{
    private const int Named = 5;

    public static NodeNames Of(IReadOnlyList<string> sorted) => new([.. sorted.Take(Named)], sorted.Count);

    public override string ToString() => string.Join(", ", First) + (Count > First.Count ? $" and {Count - First.Count} more" : "");
}
