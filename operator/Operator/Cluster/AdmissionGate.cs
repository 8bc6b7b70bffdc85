using Bursar.Kubernetes.Client;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The annotation that the webhook adds to a workload that it creates suspended, with the original value of the suspend field. The leader
/// evaluates such a workload as new and not suspended, and removes the annotation when it is resumed or suspended.
/// </summary>
/// <remarks>
/// A user who adds the annotation to a workload that they create suspended gains nothing: it runs if the budget allows it. The annotation is
/// only valid in the object's first generation, and the admission policy denies adding it later.
/// </remarks>
internal static class AdmissionGate
{
    public const string Annotation = "bursar.dev/gated-on-creation";

    /// <summary>The annotation's name before it was renamed. A workload gated by an earlier version has it until it is evaluated.</summary>
    public const string FormerAnnotation = "bursar.dev/held-on-creation";

    public static readonly IReadOnlyList<string> Names = [Annotation, FormerAnnotation];

    /// <summary>Value of the annotation if the field was absent.</summary>
    public const string WasAbsent = "absent";

    public const string WasFalse = "false";

    public static bool IsOn(WorkloadObject work) => work.Metadata.Annotations.ContainsKey(NameOn(work));

    /// <summary>Whether the webhook suspended it and its spec has not changed since.</summary>
    public static bool IsGated(WorkloadObject work) =>
        work.Kind.Suspends && work.IsStopped && !work.IsFinished && work.Metadata.Generation <= 1 && IsOn(work);

    /// <summary>Returns the original value of the field, as JSON.</summary>
    public static string OriginalOf(WorkloadObject work) =>
        work.Metadata.Annotations.TryGetValue(NameOn(work), out var before) && before == WasAbsent ? WorkloadObject.Absent : WasFalse;

    /// <summary>Suspends a new workload and records the original value in the annotation.</summary>
    public static IEnumerable<PatchOperation> Gate(WorkloadObject work)
    {
        if (work.Metadata.Annotations.Count == 0)
            yield return PatchOperation.Add("/metadata/annotations", new System.Text.Json.Nodes.JsonObject());
        yield return PatchOperation.Add(Pointer(Annotation), work.Field == WorkloadObject.Absent ? WasAbsent : WasFalse);
        if (work.MissingPart is { } part)
            yield return PatchOperation.Add(part, new System.Text.Json.Nodes.JsonObject());
        yield return PatchOperation.Add(work.Kind.Field, true);
    }

    public static IEnumerable<PatchOperation> Remove(WorkloadObject work)
    {
        yield return OriginalOf(work) == WorkloadObject.Absent
            ? PatchOperation.Remove(work.Kind.Field)
            : PatchOperation.Replace(work.Kind.Field, false);
        yield return Erase(work);
    }

    public static PatchOperation Erase(WorkloadObject work) => PatchOperation.Remove(Pointer(NameOn(work)));

    /// <summary>Returns the name under which a gated workload has the annotation.</summary>
    public static string NameOn(WorkloadObject work) =>
        work.Metadata.Annotations.ContainsKey(FormerAnnotation) ? FormerAnnotation : Annotation;

    private static string Pointer(string annotation) => PatchOperation.Pointer("metadata", "annotations", annotation);
}
