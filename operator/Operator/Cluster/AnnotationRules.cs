using System.Globalization;
using Bursar.Api;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>A user's annotation that has no effect.</summary>
/// <param name="Name">For example <c>bursar.dev/expected-duration</c>.</param>
/// <param name="Value">As the user wrote it.</param>
/// <param name="Message">Why it is ignored and which values are accepted.</param>
internal sealed record AnnotationProblem(string Name, string Value, string Message);

/// <summary>The values that each annotation of the domain <c>bursar.dev</c> accepts on a workload or its pod template.</summary>
internal static class AnnotationRules
{
    internal const string Domain = "bursar.dev/";
    private const int LongestQuote = 64;

    private static readonly Dictionary<string, (Func<string, bool> Accepts, string Accepted)> Rules = new(StringComparer.Ordinal)
    {
        [BursarAnnotations.ExpectedDuration] = (
            text => BursarAnnotations.ParseDuration(text) is not null,
            "a duration above zero such as 90s, 2h30m, 3d or 1d12h"
        ),
        [BursarAnnotations.TotalSteps] = (
            text => BursarAnnotations.ParseSteps(text) is not null,
            "a whole number above zero such as 30000, without separators"
        ),
        [BursarAnnotations.Progress] = (
            text => BursarAnnotations.ParseProgress(text) is not null,
            "the steps done such as 1200, or 1200/30000 with the steps in all"
        ),
        [BursarAnnotations.LastCheckpoint] = (
            text => BursarAnnotations.ParseTime(text) is not null,
            "a time such as 2026-11-02T09:00:00Z (RFC 3339)"
        ),
        [BursarAnnotations.Checkpoint] = (text => text == BursarAnnotations.Supported, BursarAnnotations.Supported),
        [BursarAnnotations.Priority] = (text => BursarAnnotations.ParsePriority(text) is not null, "a whole number such as 10 or -5"),
        [BursarAnnotations.Class] = (text => text is "training" or "inference" or "interactive", "training, inference or interactive"),
        [BursarAnnotations.Series] = (text => text.Length > 0, "the name of the series"),
        [BursarAnnotations.Resume] = (text => text == BursarAnnotations.Approved, BursarAnnotations.Approved),
        [AgentTargets.PortAnnotation] = (
            text => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65_536,
            "a port number"
        ),
        [AgentTargets.PathAnnotation] = (text => text.StartsWith('/'), "a path such as /metrics"),
    };

    private static readonly HashSet<string> Own = new(StringComparer.Ordinal)
    {
        BursarAnnotations.SuspendedBy,
        BursarAnnotations.SuspendedReason,
        BursarAnnotations.CheckpointRequested,
        BursarAnnotations.Cost,
        BursarAnnotations.ProjectedCost,
        AdmissionGate.Annotation,
        AdmissionGate.FormerAnnotation,
    };

    /// <summary>Returns the annotations that have no effect, those of the workload first.</summary>
    /// <param name="workload">The workload's own metadata.</param>
    /// <param name="inherited">Other annotations that apply to all its pods.</param>
    /// <param name="templates">All its pod templates.</param>
    /// <param name="read">The template whose annotations are read if the workload has none; null for all.</param>
    /// <param name="readsClass">Whether the class is read from pod templates.</param>
    public static IEnumerable<AnnotationProblem> Problems(
        V1ObjectMeta workload,
        IEnumerable<InheritedAnnotations> inherited,
        IEnumerable<V1PodTemplateSpec> templates,
        V1PodTemplateSpec? read = null,
        bool readsClass = true
    )
    {
        return Check(workload.Annotations, "", _ => "")
            .Concat(
                inherited.SelectMany(one =>
                    Check(one.Annotations, $" of {one.Place}", name =>
                        name is BursarAnnotations.Resume or BursarAnnotations.Class ? "it is read from the workload itself" : ""
                    )
                )
            )
            .Concat(
                templates.SelectMany(template =>
                    Check(template.Metadata.Annotations, " of the pod template", name => WhyNotOn(template, name))
                )
            )
            .DistinctBy(one => (one.Name, one.Value, one.Message));

        string WhyNotOn(V1PodTemplateSpec template, string name) =>
            name is AgentTargets.PortAnnotation or AgentTargets.PathAnnotation ? ""
            : name == BursarAnnotations.Resume || name == BursarAnnotations.Class && !readsClass ? "it is read from the workload itself"
            : read is null
            || ReferenceEquals(template, read)
            || workload.Annotations.ContainsKey(name)
            || read.Metadata.Annotations.ContainsKey(name)
                ? ""
            : "it is read from the workload itself, else from its first pod template that asks for GPUs";
    }

    /// <param name="annotations">The annotations of one place.</param>
    /// <param name="where">The place, as text after the annotation's name; empty for the workload itself.</param>
    /// <param name="whyNot">Returns why an annotation is not read there; empty if it is read.</param>
    private static IEnumerable<AnnotationProblem> Check(
        IReadOnlyDictionary<string, string> annotations,
        string where,
        Func<string, string> whyNot
    )
    {
        foreach (var (name, value) in annotations)
        {
            if (!name.StartsWith(Domain, StringComparison.Ordinal) || Own.Contains(name))
                continue;
            if (!Rules.TryGetValue(name, out var rule))
                yield return new(
                    name,
                    value,
                    $"Annotation {name}{where} has no effect because Bursar does not know it. Known are {string.Join(", ", Rules.Keys.Select(key => key[Domain.Length..]).Order(StringComparer.Ordinal))}."
                );
            else if (!rule.Accepts(value.Trim()))
                yield return new(
                    name,
                    value,
                    $"Annotation {name}: \"{Quote(value)}\"{where} is ignored because it cannot be read. Accepted: {rule.Accepted}."
                );
            else if (whyNot(name) is { Length: > 0 } why)
                yield return new(name, value, $"Annotation {name}{where} is ignored because {why}.");
        }
    }

    private static string Quote(string value) => value.Length <= LongestQuote ? value : value[..LongestQuote] + "...";
}
