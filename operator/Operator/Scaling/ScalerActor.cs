using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Scaling.Targets;
using Bursar.Operator.Suspension;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Scaling;

/// <summary>Carries out decisions on scalers: sets replicas, or caps the autoscaler that sets them.</summary>
internal sealed partial class ScalerActor(
    OperatorState state,
    ScaleActor actor,
    ScalerReporter reporter,
    ObserveOnlyMode control,
    TimeProvider time,
    ILogger<ScalerActor> logger
)
{
    /// <summary>
    /// Carries out the latest decision. Returns true if it removed replicas, because another scaler may then use their budget.
    /// </summary>
    internal async Task<bool> ActAsync(ScalerEntry entry, CancellationToken cancellationToken)
    {
        var (target, (snapshot, decision), scaler) = (entry.Target!, entry.Latest!, entry.Scaler);
        entry.Refusal = null;
        if (control.ObserveOnly || snapshot.SuspendedBy is not null)
            return false;
        WriteOutcome outcome;
        try
        {
            if (target.OtherAutoscaler is { } other)
            {
                if (decision.Reason == Reasons.Contested || !IsToBeCapped(entry, other, decision.Affordable))
                    return false;
                LogCaps(target.Namespace, scaler.Metadata.Name, other.Manager, decision.Affordable ?? -1, decision.Reason);
                outcome = await actor.CapAsync(entry.Ref, target, decision.Affordable ?? int.MaxValue, cancellationToken);
                if (outcome is { Result: WriteResult.Done, Text: { } overwritten })
                {
                    entry.Memory = entry.Memory.WithReverted(time.GetUtcNow());
                    reporter.SetByOther(entry, ScalerEvaluator.Message(overwritten), time.GetUtcNow());
                }
            }
            else
            {
                if (!decision.Scales || entry.Memory.AwaitsOwnWrite(decision.Replicas, decision.At))
                    return false;
                LogScales(target.Namespace, scaler.Metadata.Name, target.Display, decision.Replicas, decision.Desired, decision.Reason);
                outcome = await actor.ScaleAsync(entry.Ref, target, decision.Desired, cancellationToken);
                if (outcome.Result == WriteResult.Done)
                {
                    entry.Memory = entry.Memory.WithScaled(decision.Replicas, decision.Desired, snapshot.Terms.Behavior, time.GetUtcNow());
                    entry.ScaledAt = time.GetUtcNow();
                    reporter.Scaled(entry, decision);
                    return decision.Desired < decision.Replicas;
                }
            }
        }
        catch (ApiException error)
        {
            // Continue with the other scalers and try again in the next pass.
            outcome = WriteOutcome.Refused(error.Message);
        }
        if (outcome.Result is WriteResult.Refused or WriteResult.ChangedByOther)
        {
            entry.Refusal = outcome.Text;
            LogRefused(target.Namespace, scaler.Metadata.Name, outcome.Text ?? "");
        }
        return false;
    }

    /// <summary>Whether the autoscaler's maximum must change to what the budgets can afford.</summary>
    private bool IsToBeCapped(ScalerEntry entry, OtherAutoscaler other, int? affordable)
    {
        var record = state.ScaledBy(entry.Ref.Namespace, entry.Ref.Uid, other.Uid);
        if (affordable is not { } most)
            return record is not null;
        // KEDA's default maximum is 100. A cap cannot be below the autoscaler's minimum, nor below one.
        var (max, least) = (other.Max ?? 100, Math.Max(1, other.Min ?? 1));
        return record is null ? max > most && max > least : Math.Max(most, least) != max;
    }

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Scaling: Namespace={Namespace} Name={Name} Target={Target} From={From} To={To} Reason={Reason}"
    )]
    private partial void LogScales(string @namespace, string name, string target, int from, int to, string reason);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Capping autoscaler: Namespace={Namespace} Name={Name} Autoscaler={Autoscaler} Affordable={Affordable} Reason={Reason}"
    )]
    private partial void LogCaps(string @namespace, string name, string autoscaler, int affordable, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Scaling failed: Namespace={Namespace} Name={Name} Reason={Reason}")]
    private partial void LogRefused(string @namespace, string name, string reason);
}
