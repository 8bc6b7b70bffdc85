using System.Text.Json.Nodes;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// KEDA. According to its source (controllers/keda/scaledobject_controller.go, pkg/scaling/executor/scale_scaledobjects.go), its loop
/// scales a target up from zero as soon as a trigger is active, so the replicas cannot stop it. The annotation paused-replicas makes KEDA
/// scale to that number, delete its HPA and stop its loop. Without the annotation the loop starts again and follows the triggers.
/// </summary>
internal sealed class KedaAdapter() : ManagerAdapter(OptionName)
{
    public const string OptionName = "KEDA";

    public const string PausedReplicas = "autoscaling.keda.sh/paused-replicas";
    public const string Paused = "autoscaling.keda.sh/paused";

    private static readonly string PausedPointer = PatchOperation.Pointer("metadata", "annotations", PausedReplicas);

    public override IReadOnlyList<EntityKind> Entities { get; } = [V1ScaledObject.EntityKind];

    public override ManagerState? GetState(WorkloadObject work, ClusterStores stores)
    {
        if (!work.Kind.Scales)
            return null;
        foreach (var scaler in stores.ScaledObjects.Store.ByIndex(Indexes.Namespace, work.Namespace))
            if (scaler.Spec.ScaleTargetRef is var target && target.IsOf(work.Kind.Entity) && target.Name == work.Metadata.Name)
                return GetState(scaler);
        return null;
    }

    public override string? ValueOf(string ns, ObjectRef target, string field, ClusterStores stores) =>
        stores.ScaledObjects.Store.Get(ns, target.Name) is { } scaler && scaler.Metadata.Uid == target.Uid ? Text(scaler) : null;

    /// <summary>
    /// Returns the state of a ScaledObject. If a user paused it without a number, KEDA neither scales nor watches, so the workload's own
    /// replicas stop it. If it is paused at a number, it is stopped at zero and restored to that number.
    /// </summary>
    private static ManagerState GetState(V1ScaledObject scaler)
    {
        var manager = $"KEDA scales it (ScaledObject {scaler.Metadata.Name})";
        if (
            !scaler.Metadata.Annotations.ContainsKey(PausedReplicas)
            && scaler.Metadata.Annotations.TryGetValue(Paused, out var paused)
            && IsTrue(paused)
        )
            return new() { Manager = manager };
        return new()
        {
            Manager = manager,
            Field = new()
            {
                Entity = V1ScaledObject.EntityKind,
                Object = scaler.Metadata,
                Field = PausedPointer,
                Value = Text(scaler),
                Stopped = "\"0\"",
                On = "null",
            },
        };
    }

    /// <summary>Whether it is paused, with or without a number.</summary>
    public static bool IsPaused(V1ScaledObject scaler) =>
        scaler.Metadata.Annotations.ContainsKey(PausedReplicas)
        || scaler.Metadata.Annotations.TryGetValue(Paused, out var paused) && IsTrue(paused);

    /// <summary>KEDA treats a value that is no boolean as true.</summary>
    private static bool IsTrue(string value) => value is not ("false" or "False" or "FALSE" or "f" or "F" or "0");

    private static string Text(V1ScaledObject scaler) =>
        scaler.Metadata.Annotations.TryGetValue(PausedReplicas, out var value) ? JsonValue.Create(value).ToJsonString() : "null";
}
