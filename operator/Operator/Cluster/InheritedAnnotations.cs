using Bursar.Api;

namespace Bursar.Operator.Cluster;

/// <summary>Annotations of Bursar's domain for all pods of a workload that stand in neither its own metadata nor a pod template.</summary>
/// <param name="Place">Where they stand, for people: <c>its CronJob nightly</c>.</param>
/// <param name="Annotations">Those of the domain <c>bursar.dev</c> alone.</param>
internal sealed record InheritedAnnotations(string Place, IReadOnlyDictionary<string, string> Annotations)
{
    /// <summary>Returns nothing where the map has no annotation of the domain.</summary>
    /// <param name="place">Where they stand, for people.</param>
    /// <param name="all">The annotations that stand there.</param>
    /// <param name="known">Places that count first and have been copied there, where there are any.</param>
    public static IEnumerable<InheritedAnnotations> From(
        string place,
        IReadOnlyDictionary<string, string> all,
        params IReadOnlyList<InheritedAnnotations> known
    )
    {
        if (all.Count == 0)
            return [];
        var ours = all.Where(pair =>
                pair.Key.StartsWith(AnnotationRules.Domain, StringComparison.Ordinal)
                && !known.Any(one => one.Annotations.ContainsKey(pair.Key))
            )
            .ToDictionary(StringComparer.Ordinal);
        return ours.Count == 0 ? [] : [new(place, ours)];
    }

    /// <summary>All of them, and those of the template that none of them has.</summary>
    internal static IReadOnlyDictionary<string, string> Join(
        IReadOnlyList<InheritedAnnotations> inherited,
        IReadOnlyDictionary<string, string> template
    )
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        // The class decides what may be suspended. The guard checks it on the object and its pod template alone.
        foreach (
            var (name, value) in inherited
                .SelectMany(one => one.Annotations)
                .Where(pair => pair.Key != BursarAnnotations.Class)
                .Concat(template)
        )
            all.TryAdd(name, value);
        return all;
    }
}
