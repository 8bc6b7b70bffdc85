using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Scaling.Targets;

/// <summary>Finds the object of a scaleTargetRef and its autoscaler, from caches only.</summary>
internal sealed class ScaleTargets(ClusterStores stores)
{
    /// <summary>
    /// Returns the target. If it is null, <paramref name="whyNot"/> has the reason. Otherwise it may have the reason why the target must
    /// not be written.
    /// </summary>
    public ScaleTarget? Find(string ns, string apiVersion, string kind, string name, out string? whyNot)
    {
        if (ScalableKinds.Find(apiVersion, kind) is not { } known)
        {
            whyNot =
                $"{kind} of {(apiVersion.Length == 0 ? "no apiVersion" : apiVersion)} is not a kind that Bursar scales; supported are {ScalableKinds.Display}";
            return null;
        }
        if (!known.IsServed(stores))
        {
            whyNot = $"the cluster has no {known.Name} ({known.Entity.ApiVersion})";
            return null;
        }
        if (known.Find(ns, name, stores) is not { } target)
        {
            whyNot = $"{known.Name} {name} is not found in namespace {ns}";
            return null;
        }
        whyNot =
            stores.Stoppable?.Contains(known.Name) == false
                ? $"this operator may not scale a {known.Name} (operator.kinds of the chart)"
                : null;
        return target with { OtherAutoscaler = OtherAutoscalerOf(known.Entity, ns, name) };
    }

    /// <summary>Whether the scaler of a record exists and still has the same target.</summary>
    public bool IsInUse(ScalerRecord record)
    {
        if (stores.Scalers.Store.GetByUid(record.ScalerUid) is not { Spec.ScaleTargetRef: { } reference } scaler)
            return false;
        var target = Find(record.Namespace, reference.ApiVersion ?? "apps/v1", reference.Kind ?? "Deployment", reference.Name ?? "", out _);
        // Restore what it scaled or capped before its target was changed.
        return target is not null
            && (target.Uid == record.Target.Uid || target.OtherAutoscaler?.Uid == record.Target.Uid)
            && scaler.Metadata.DeletionTimestamp is null;
    }

    private OtherAutoscaler? OtherAutoscalerOf(EntityKind entity, string ns, string name)
    {
        var key = ScaleIndexes.TargetKey(ns, entity.Kind, name);
        foreach (var scaler in stores.ScaledObjects.Store.ByIndex(ScaleIndexes.Target, key))
            if (scaler.Spec.ScaleTargetRef.IsOf(entity))
                return new()
                {
                    Manager = $"KEDA scales it (ScaledObject {scaler.Metadata.Name})",
                    Entity = V1ScaledObject.EntityKind,
                    Name = scaler.Metadata.Name,
                    Uid = scaler.Metadata.Uid,
                    Min = scaler.Spec.MinReplicaCount,
                    Max = scaler.Spec.MaxReplicaCount,
                    IsPaused = KedaAdapter.IsPaused(scaler),
                    WhyNot = WhyNot(V1ScaledObject.EntityKind, scaler.Metadata, KedaAdapter.OptionName),
                };
        foreach (var scaler in stores.HorizontalPodAutoscalers.Store.ByIndex(ScaleIndexes.Target, key))
            // The HPA that KEDA creates belongs to its ScaledObject.
            if (scaler.Spec.ScaleTargetRef.IsOf(entity) && scaler.Metadata.ControllerReference() is not { Kind: "ScaledObject" })
                return new()
                {
                    Manager = $"a HorizontalPodAutoscaler scales it ({scaler.Metadata.Name})",
                    Entity = V1HorizontalPodAutoscaler.EntityKind,
                    Name = scaler.Metadata.Name,
                    Uid = scaler.Metadata.Uid,
                    Min = scaler.Spec.MinReplicas,
                    Max = scaler.Spec.MaxReplicas,
                    WhyNot = WhyNot(V1HorizontalPodAutoscaler.EntityKind, scaler.Metadata, AutoscalerAdapter.OptionName),
                };
        return null;
    }

    private string? WhyNot(EntityKind entity, V1ObjectMeta scaler, string option) =>
        stores.Managers?.Contains(option) == false
            ? $"this operator may not write to {entity.Kind} {scaler.Name} ({option} in operator.managers of the chart)"
        // Its controller would revert a change.
        : scaler.ControllerReference() is { } controller ? $"{controller.Kind} {controller.Name} controls {entity.Kind} {scaler.Name}"
        : null;
}
