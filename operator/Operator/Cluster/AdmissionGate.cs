using Bursar.Kubernetes.Client;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The mark that the webhook leaves on work which it makes suspended: an annotation with what stood in the field before. It asks
/// the leader to judge the work as if it were new and not suspended; what is suspended then stands in the ledger like all that is suspended,
/// and the mark goes.
/// </summary>
/// <remarks>
/// Whoever writes the mark himself, on work that he makes suspended, gets what he would have got by not suspending it: it runs
/// when it fits. On other work it says nothing: it counts at the object's first generation only, so that what its owner suspends later is
/// his, and the guard refuses to add it to an object that is there.
/// </remarks>
internal static class AdmissionGate
{
    public const string Annotation = "bursar.dev/held-on-creation";

    /// <summary>The field was not there.</summary>
    public const string WasAbsent = "absent";

    public const string WasFalse = "false";

    private static readonly string AnnotationPointer = PatchOperation.Pointer("metadata", "annotations", Annotation);

    public static bool IsOn(WorkloadObject work) => work.Metadata.Annotations.ContainsKey(Annotation);

    /// <summary>Made suspended by the webhook, and nobody has changed its spec since.</summary>
    public static bool IsGated(WorkloadObject work) =>
        work.Kind.Suspends && work.IsStopped && !work.IsFinished && work.Metadata.Generation <= 1 && IsOn(work);

    /// <summary>What stood in the field before, as a ledger's record says it.</summary>
    public static string OriginalOf(WorkloadObject work) =>
        work.Metadata.Annotations.TryGetValue(Annotation, out var before) && before == WasAbsent ? WorkloadObject.Absent : WasFalse;

    /// <summary>Makes new work suspended, and says what it was.</summary>
    public static IEnumerable<PatchOperation> Gate(WorkloadObject work)
    {
        if (work.Metadata.Annotations.Count == 0)
            yield return PatchOperation.Add("/metadata/annotations", new System.Text.Json.Nodes.JsonObject());
        yield return PatchOperation.Add(AnnotationPointer, work.Field == WorkloadObject.Absent ? WasAbsent : WasFalse);
        if (work.MissingPart is { } part)
            yield return PatchOperation.Add(part, new System.Text.Json.Nodes.JsonObject());
        yield return PatchOperation.Add(work.Kind.Field, true);
    }

    /// <summary>Gives back what stood there, and takes the mark away.</summary>
    public static IEnumerable<PatchOperation> Remove(WorkloadObject work)
    {
        yield return OriginalOf(work) == WorkloadObject.Absent
            ? PatchOperation.Remove(work.Kind.Field)
            : PatchOperation.Replace(work.Kind.Field, false);
        yield return Erase();
    }

    /// <summary>Takes the mark away and leaves the rest.</summary>
    public static PatchOperation Erase() => PatchOperation.Remove(AnnotationPointer);
}
