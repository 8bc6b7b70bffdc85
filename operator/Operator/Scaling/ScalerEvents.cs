using System.Globalization;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Scaling;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Scaling;

/// <summary>The Events of a scaler's decision, on the scaler and on its target, with the figures in the note.</summary>
internal sealed class ScalerEvents(EventRecorder recorder)
{
    /// <summary>A scale call that was made.</summary>
    public void Scaled(V1Alpha1InferenceScaler scaler, ScaleTarget target, ScalerDecision decision)
    {
        var reason =
            decision.Desired == 0 ? "ScaledToZero"
            : decision.Replicas == 0 ? Reasons.WokenUp
            : decision.Desired > decision.Replicas ? "ScaledUp"
            : "ScaledDown";
        var key = string.Create(
            CultureInfo.InvariantCulture,
            $"{decision.Replicas}-{decision.Desired}/{decision.At.ToUnixTimeSeconds() / 600}"
        );
        Both(scaler, target, KubeEvent.Normal, reason, "Scale", decision.Sentence, key);
    }

    /// <summary>Once for each stretch in which the money carries less than demand asks for.</summary>
    public void Capped(V1Alpha1InferenceScaler scaler, ScaleTarget target, ScalerDecision decision, DateTimeOffset since) =>
        Both(
            scaler,
            target,
            KubeEvent.Warning,
            Reasons.CostCapped,
            "Cap",
            decision.Sentence,
            since.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)
        );

    /// <summary>Something that stands in the way, once for each time it begins.</summary>
    public void Hindered(V1Alpha1InferenceScaler scaler, string reason, string note, DateTimeOffset since) =>
        Publish(scaler, KubeEvent.Warning, reason, "Scale", note, $"{scaler.Metadata.Generation}/{since.ToUnixTimeSeconds()}");

    /// <summary>Others set the target's replicas.</summary>
    public void ScaledByOther(V1Alpha1InferenceScaler scaler, ScaleTarget target, int from, int to, DateTimeOffset at) =>
        SetByOther(scaler, target, $"Somebody else set {target.Display} from {from} to {to}.", at);

    /// <summary>Others set the target's replicas, or the maximum of who scales it.</summary>
    public void SetByOther(V1Alpha1InferenceScaler scaler, ScaleTarget target, string note, DateTimeOffset at) =>
        Both(
            scaler,
            target,
            KubeEvent.Normal,
            Reasons.ScaledByOther,
            "Scale",
            note,
            at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)
        );

    private void Both(
        V1Alpha1InferenceScaler scaler,
        ScaleTarget target,
        string type,
        string reason,
        string action,
        string note,
        string key
    )
    {
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
