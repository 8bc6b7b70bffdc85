using System.Globalization;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Scaling;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;

namespace Bursar.Operator.Scaling;

/// <summary>Reports decisions on scalers in metrics and Events, with the figures.</summary>
internal sealed class ScalerReporter(EventRecorder recorder, OperatorMetrics metrics, TimeProvider time)
{
    /// <summary>Reports a decision. <paramref name="before"/> is the memory before it.</summary>
    public void Report(ScalerEntry entry, ScalerDecision decision, ScalerMemory before)
    {
        metrics.Record(entry.Scaler.Metadata.Namespace ?? "", entry.Scaler.Metadata.Name, decision);
        if (decision.Memory.Reverted.Count > 0 && (before.Reverted.Count == 0 || before.Reverted[^1] != decision.Memory.Reverted[^1]))
            SetByOther(
                entry,
                $"Another client set {entry.Target!.Display} from {before.Written ?? decision.Replicas} to {decision.Replicas}.",
                decision.At
            );
        var ready = decision.Conditions.First(condition => condition.Type == ConditionTypes.Ready);
        if (decision.IsCapped && entry.CappedSince is null)
        {
            entry.CappedSince = decision.At;
            Both(entry, KubeEvent.Warning, Reasons.CostCapped, "Cap", decision.Sentence, Seconds(decision.At));
        }
        // While no metrics are known, as after a restart, demand is not known to have gone.
        else if (!decision.IsCapped && ready.Status == true)
            entry.CappedSince = null;
        ReportHindrance(
            entry,
            ready.Status == false ? ready.Reason
                : decision.Reason is Reasons.Contested or Reasons.FallbackActive ? decision.Reason
                : null,
            ready.Message,
            decision.At
        );
    }

    /// <summary>Reports that a scaler cannot be evaluated.</summary>
    public void Refuse(ScalerEntry entry, string reason, string message)
    {
        Forget(ObjectKey.From(entry.Scaler));
        ReportHindrance(entry, reason, message, time.GetUtcNow());
    }

    public void Forget(ObjectKey scaler) => metrics.ForgetScaler(scaler.Namespace ?? "", scaler.Name);

    /// <summary>Reports a scale write and, if it added replicas, the delay since the demand arose.</summary>
    public void Scaled(ScalerEntry entry, ScalerDecision decision)
    {
        if (decision.Memory.DemandSince is { } since && decision.Desired > decision.Replicas)
            metrics.ScaledUp(time.GetUtcNow() - since);
        var reason =
            decision.Desired == 0 ? "ScaledToZero"
            : decision.Replicas == 0 ? Reasons.ScaledFromZero
            : decision.Desired > decision.Replicas ? "ScaledUp"
            : "ScaledDown";
        var key = string.Create(
            CultureInfo.InvariantCulture,
            $"{decision.Replicas}-{decision.Desired}/{decision.At.ToUnixTimeSeconds() / 600}"
        );
        Both(entry, KubeEvent.Normal, reason, "Scale", decision.Sentence, key);
    }

    /// <summary>Reports that another client set the target's replicas, or the maximum of its autoscaler.</summary>
    public void SetByOther(ScalerEntry entry, string note, DateTimeOffset at) =>
        Both(entry, KubeEvent.Normal, Reasons.ScaledByOther, "Scale", note, Seconds(at));

    private void ReportHindrance(ScalerEntry entry, string? reason, string message, DateTimeOffset now)
    {
        if (reason is null)
        {
            entry.Hindrance = null;
            return;
        }
        if (entry.Hindrance?.Reason == reason)
            return;
        entry.Hindrance = (reason, now);
        Publish(entry.Scaler, KubeEvent.Warning, reason, "Scale", message, $"{entry.Scaler.Metadata.Generation}/{Seconds(now)}");
    }

    private static string Seconds(DateTimeOffset at) => at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);

    private void Both(ScalerEntry entry, string type, string reason, string action, string note, string key)
    {
        var (scaler, target) = (entry.Scaler, entry.Target!);
        Publish(scaler, type, reason, action, note, key);
        recorder.Publish(
            new()
            {
                Regarding = new()
                {
                    ApiVersion = target.Entity.ApiVersion,
                    Kind = target.Entity.Kind,
                    Namespace = target.Namespace,
                    Name = target.Name,
                    Uid = target.Uid,
                },
                Related = V1ObjectReference.To(scaler),
                Type = type,
                Reason = reason,
                Action = action,
                Note = note,
                Key = key,
            }
        );
    }

    private void Publish(V1Alpha1InferenceScaler scaler, string type, string reason, string action, string note, string key) =>
        recorder.Publish(
            new()
            {
                Regarding = V1ObjectReference.To(scaler),
                Type = type,
                Reason = reason,
                Action = action,
                Note = note,
                Key = key,
            }
        );
}
