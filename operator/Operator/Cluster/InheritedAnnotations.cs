using Bursar.Api;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Annotations of the domain <c>bursar.dev</c> that apply to all pods of a workload but are neither in its own metadata nor in a pod
/// template.
/// </summary>
/// <param name="Place">The place, as text for users: <c>its CronJob nightly</c>.</param>
/// <param name="Annotations">Only those of the domain <c>bursar.dev</c>.</param>
internal sealed record InheritedAnnotations(string Place, IReadOnlyDictionary<string, string> Annotations)
{
    /// <summary>Returns the annotations of the domain in a map; empty if it has none.</summary>
    /// <param name="place">The place, as text for users.</param>
    /// <param name="all">All annotations of the place.</param>
    /// <param name="known">Places with precedence. Their annotations are left out.</param>
    public static IEnumerable<InheritedAnnotations> From(
        string place,
        IReadOnlyDictionary<string, string> all,
        params IReadOnlyList<InheritedAnnotations> known
    )
    {
        if (all.Count == 0)
            return [];
        var own = all.Where(pair =>
                pair.Key.StartsWith(AnnotationRules.Domain, StringComparison.Ordinal)
                && !known.Any(one => one.Annotations.ContainsKey(pair.Key))
            )
            .ToDictionary(StringComparer.Ordinal);
        return own.Count == 0 ? [] : [new(place, own)];
    }

    /// <summary>Returns all inherited annotations, and those of the template that none of them sets.</summary>
    internal static IReadOnlyDictionary<string, string> Join(
        IReadOnlyList<InheritedAnnotations> inherited,
        IReadOnlyDictionary<string, string> template
    )
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        // The class decides whether a workload may be suspended, and the admission policy checks it only on the object and its pod
        // template.
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
