using System.Text;
using Bursar.Core.Decisions;

namespace Bursar.Operator.Commands.Reference;

/// <summary>Writes the page on conditions and reasons. A test requires a sentence for each constant.</summary>
internal static class ReasonReference
{
    /// <summary>The conditions, and what True and False mean; empty if the condition never has the status.</summary>
    public static IReadOnlyList<(string Kind, string Type, string True, string False)> Conditions { get; } =
    [
        (
            "GpuBudget",
            ConditionTypes.Ready,
            "The budget is evaluated and enforced. The reason is the STATE that `kubectl get gpub` shows.",
            "The spec is invalid (`InvalidSpec`), so the last valid one stays in force; or the ledger cannot be written (`LedgerNotWritable`), so nothing is enforced."
        ),
        ("GpuBudget", ConditionTypes.WithinBudget, "Less than the limit is spent.", "The budget for this window is used up."),
        (
            "GpuBudget",
            ConditionTypes.ProjectedWithinBudget,
            "The projected cost at the end of the window is within the limit.",
            "At the current burn rate the limit is reached before the window ends, or spent and reserved amounts together exceed it."
        ),
        (
            "GpuBudget",
            ConditionTypes.FullyEnforceable,
            "Every running workload can be suspended.",
            "Some workloads cannot be suspended. `status.unstoppable` lists them with their rate and the reason."
        ),
        (
            "GpuBudget",
            ConditionTypes.MeteringFresh,
            "The times of the API server are current. With the reason `AgentMissing`, busy time is not measured on the nodes that the message names.",
            "A node with workloads of this budget is unreachable. Forecasts pause; the hard limit still applies."
        ),
        (
            "GpuBudget",
            ConditionTypes.PricesTrusted,
            "Every GPU in use has a trusted price.",
            "A GPU has no price and is not counted yet, a price is not trusted, or spot nodes are charged at the on-demand rate. The reason says which."
        ),
        ("GpuBudget", ConditionTypes.MinimumReplicasExceedLimit, "Inference that keeps running costs more than is left of the limit.", ""),
        (
            "GpuBudget",
            ConditionTypes.ForecastOverBudget,
            "The window is [forecast](../concepts/forecasts.md#the-forecast-for-the-window) to cost more than the limit, with workloads that have not started yet. The forecast suspends nothing.",
            ""
        ),
        (
            "ClusterGpuBudget",
            ConditionTypes.Overcommitted,
            "The limits of the budgets directly below it exceed its own together. Only budgets with the same window count.",
            ""
        ),
        (
            "GpuBudget",
            ConditionTypes.BreakerOpen,
            "The [circuit breaker](../tasks/operate.md#reset-the-circuit-breaker) is open: forecasts and idle GPUs suspend nothing.",
            ""
        ),
        ("GpuBudget", ConditionTypes.Contested, "Another client keeps resuming a workload that Bursar suspends.", ""),
        ("GpuBudgetRequest", ConditionTypes.Approved, "A user approved the request, or the budget's `autoApprove` did.", ""),
        ("GpuBudgetRequest", ConditionTypes.Denied, "A user denied the request. A denial has precedence over an approval.", ""),
        (
            "GpuBudgetRequest",
            ConditionTypes.Granted,
            "The budget's limit contains the amount.",
            "The limit does not contain the amount. The reason says why."
        ),
        (
            "InferenceScaler",
            ConditionTypes.Ready,
            "The scaler is evaluated.",
            "The spec is invalid, or the target cannot be scaled. The reason says which."
        ),
        ("InferenceScaler", ConditionTypes.Active, "A trigger is active.", "No trigger is active."),
        (
            "InferenceScaler",
            ConditionTypes.Affordable,
            "The budget and the cost cap cover the replicas that demand asks for.",
            "Demand asks for more replicas than the budget or the cost cap covers."
        ),
        ("InferenceScaler", ConditionTypes.Fallback, "A trigger has failed and the fallback is in force.", "No fallback is in force."),
        ("InferenceScaler", ConditionTypes.Contested, "Another client keeps changing what the scaler writes.", ""),
        (
            "GpuPriceBook",
            ConditionTypes.Ready,
            "The book is in use, or can be.",
            "The spec is invalid. The last trusted prices stay in force."
        ),
        (
            "GpuPriceBook",
            ConditionTypes.PricesTrusted,
            "Every node with a GPU has a trusted price from this book.",
            "The reason and the message name what is not priced or not trusted."
        ),
    ];

    /// <summary>Reasons by where they are used, each with its meaning and what to do.</summary>
    public static IReadOnlyList<(string Title, IReadOnlyList<(string Reason, string Text)> Reasons)> Groups { get; } =
    [
        (
            "Budget",
            [
                (Reasons.OnTrack, "Spent and projected cost are within the limit."),
                (
                    Reasons.AtRisk,
                    "At the current burn rate the limit is reached before the window ends. The message says when, which workloads are suspended then or earlier, and which cannot be. Raise the limit, add a top-up, or end workloads."
                ),
                (
                    Reasons.ProjectedOver,
                    "The projected cost exceeds the limit. Workloads are about to be suspended, or none that could be is left. Raise the limit or add a top-up."
                ),
                (
                    Reasons.WorkloadsSuspended,
                    "Spending is within the limit because workloads are suspended. Raise the limit, add a top-up, or wait for the next window."
                ),
                (
                    Reasons.Exhausted,
                    "The budget is used up, or workloads were suspended at the limit. They resume with a higher limit or in the next window."
                ),
                (
                    Reasons.Overspent,
                    "More than the limit is spent and workloads keep running. Events repeat it with the growing amount. See [BursarBudgetOverspent](../tasks/alerts.md#bursarbudgetoverspent)."
                ),
                (
                    Reasons.ChildLimitsExceedLimit,
                    "The limits of the budgets below a ClusterGpuBudget exceed its own together. Nothing is refused: workloads run while they fit every budget that selects them."
                ),
                (
                    Reasons.ForecastOverBudget,
                    "A condition, and an Event once per window. With the workloads that usually follow, the window is forecast to cost more than the limit. Nothing is suspended for it. See [the forecast for the window](../concepts/forecasts.md#the-forecast-for-the-window)."
                ),
                (
                    Reasons.MinimumReplicasExceedLimit,
                    "Inference at its minimum replicas costs more than is left. New jobs are suspended; running jobs are suspended only at the limit. Lower the replicas, raise the limit, or set `inference.whenExhausted: Zero`."
                ),
                (
                    Reasons.NotStarted,
                    "The window of a budget with `period: Once` has not begun. Nothing is counted, admitted or suspended."
                ),
                (
                    Reasons.Expired,
                    "The window of a budget with `period: Once` has ended. Nothing new is admitted or suspended, and suspended workloads stay suspended. Delete the budget or change its dates."
                ),
                (
                    Reasons.TooManyLabelValues,
                    "The label in `spec.perLabel` has more values than can have a limit of their own. The message says how many have none."
                ),
                (
                    Reasons.InvalidSpec,
                    "The spec cannot be used. The message names the field and the generation whose spec stays in force. A budget that never had a valid spec enforces nothing, and a request with an invalid spec fails."
                ),
                (
                    Reasons.LedgerNotWritable,
                    "The API server rejects writes to the ledger, and the message says why. Nothing is suspended or resumed. See [BursarLedgerNotWritable](../tasks/alerts.md#bursarledgernotwritable)."
                ),
                (
                    Reasons.Observing,
                    "The budget has `mode: Observe`, or the cluster is in observe-only mode. Decisions are made and reported, and nothing is changed."
                ),
                (
                    Reasons.EnforcementReleased,
                    "`bursar release gpub/NAME` was run. Everything is resumed and nothing is suspended until the spec changes, the window ends, or the release is ended with `--end`."
                ),
                (Reasons.EnforcementRestored, "An Event: the release has ended and the budget is enforced again."),
                (Reasons.Fresh, "The times of the API server are current."),
                (
                    Reasons.AgentMissing,
                    "The workloads are billed, but nothing measures what the GPUs of the named nodes do. See [BursarAgentsMissing](../tasks/alerts.md#bursaragentsmissing)."
                ),
                (
                    Reasons.NodeLost,
                    "A node with workloads of this budget is unreachable. Its time is billed to its last heartbeat. Forecasts pause until it returns or its pods are gone."
                ),
                (Reasons.Priced, "Every GPU in use has a price."),
                (
                    Reasons.Unpriced,
                    "A GPU product matches no rate, the size of a slice is unknown, or a pod holds an unknown resource that looks like a GPU. Those workloads are not counted yet and forecasts pause. The first price also covers the time before it."
                ),
                (
                    Reasons.NoGridIntensity,
                    "The budget limits CO2e, and the default price book has no `gridIntensity`. CO2e is not counted until it has one. See [prices](../tasks/prices.md#grid-intensity)."
                ),
                (
                    Reasons.PricesUntrusted,
                    "The guard of the price book rejected a price, or the book is missing, invalid or has another currency. The last trusted prices stay in force and forecasts pause. See [prices](../tasks/prices.md#the-guard)."
                ),
                (Reasons.PricesTrusted, "An Event: the prices of the book are trusted again and forecasts continue."),
                (
                    Reasons.ChargedAsOnDemand,
                    "Spot or reserved nodes match a rate without a `capacityType` and are charged at it, which is an upper bound. Add a rate with `capacityType: spot`. See [prices](../tasks/prices.md#spot-and-reserved-nodes)."
                ),
                (
                    Reasons.UnknownGpuResource,
                    "An Event on the default price book: nodes have an unknown extended resource that looks like a GPU. Add it to `gpuResources` of the chart, or exclude it there."
                ),
                (Reasons.AllSuspendable, "Every running workload can be suspended."),
                (
                    Reasons.UnstoppableWorkloads,
                    "Some running workloads cannot be suspended. The message and `status.unstoppable` give the reason for each. See [what cannot be suspended](kinds.md#what-cannot-be-suspended)."
                ),
                (
                    Reasons.Unreadable,
                    "An Event, once per object and reason. A field of the object has an unexpected JSON type and is read as absent. On a budget: the named workload cannot be suspended for that reason. See [objects that cannot be read](kinds.md#objects-that-cannot-be-read)."
                ),
                (
                    Reasons.ThresholdReached,
                    "An Event: spent or projected cost crossed a percentage in `spec.thresholds`. Each threshold is reported once per window."
                ),
                (
                    Reasons.WillSuspend,
                    "An Event before workloads are suspended, normally an hour before. It names the workloads and the time, and is repeated when either changes."
                ),
                (Reasons.ForecastResumed, "An Event: forecasts of the budget or of a workload continue after a pause."),
                (Reasons.WindowStarted, "An Event: a new window began."),
            ]
        ),
        (
            "Suspended workload",
            [
                (
                    Reasons.ProjectedOverBudget,
                    "The cost to complete the workload exceeds what is left. The message says at which limit it resumes."
                ),
                (Reasons.DoesNotFit, "A new job whose cost exceeds what is left waits suspended."),
                (
                    Reasons.UnknownDuration,
                    "The duration is unknown and the budget sets `unknownDuration: Hold`. Set `bursar.dev/expected-duration`, or report progress."
                ),
                (
                    Reasons.SuspendedIdle,
                    "All its GPUs were idle for as long as `idle.after`, and the budget sets `idle.action: Suspend`. It resumes only when a user resumes it, or sets `bursar.dev/resume: approved` on it and the budget covers it. See [idle GPUs](../concepts/suspension.md#idle-gpus)."
                ),
                (Reasons.BudgetExhausted, "The amount spent, plus the cost of stopping everything, reached the limit."),
                (
                    Reasons.SuspendedAgain,
                    "Another client resumed the workload and the budget still does not cover it. The Event names the client and what would let the workload run."
                ),
                (Reasons.WaitingForBudget, "The budget does not cover the workload yet, or other suspended workloads are ahead of it."),
                (
                    Reasons.NeverFits,
                    "The workload needs more than a whole window has. Raise the limit, shorten the job, or run fewer replicas."
                ),
                (
                    Reasons.WaitingForApproval,
                    "The budget sets `resume.policy: Manual`. Set `bursar.dev/resume: approved` on the workload. With the chart's policies, that needs the verb `override`. On a request: no user has answered it."
                ),
                (
                    Reasons.SuspendedByOtherBudget,
                    "Another budget does not cover the workload. This budget covers it, and reserves nothing for it until the other one covers it too. See [several budgets](../concepts/suspension.md#several-budgets-over-one-workload)."
                ),
                (Reasons.SuspendedByOther, "The user or another controller suspended the workload. Bursar does not resume it."),
                (
                    Reasons.ReservationReleased,
                    "The workload has had no bound pod for ten minutes. Its reservation is available to others until it has one."
                ),
            ]
        ),
        (
            "Resumed workload",
            [
                (Reasons.BudgetRaised, "The limit was raised or a top-up was added."),
                (Reasons.NewWindow, "A new window began."),
                (Reasons.BudgetAvailable, "Budget became available: another workload ended or shrank, or a price or record was corrected."),
                (Reasons.SpendRolledOff, "Older spending left the rolling window."),
                (Reasons.CostFell, "The workload's rate fell: a lower price, or fewer GPUs."),
                (Reasons.DurationKnown, "The workload was suspended for its unknown duration, which is now known."),
                (Reasons.FitsAgain, "The budget has covered the workload for ten minutes without interruption."),
                (Reasons.Approved, "`bursar.dev/resume: approved` was set."),
                (Reasons.Released, "The budget no longer suspends it: it is exempt now, or it is inference at its minimum replicas."),
                (Reasons.RecordRestored, "Bursar had suspended the workload and the ledger had no record of it. The record was restored."),
            ]
        ),
        (
            "Running workload",
            [
                (Reasons.Fits, "The budget covers the workload."),
                (Reasons.Exempt, "`spec.exempt` selects the workload: it is counted and never suspended."),
                (Reasons.NotSuspendable, "The workload is counted and cannot be suspended. The message says why."),
                (Reasons.MinimumReplicas, "Inference that keeps running past the limit, as `whenExhausted` says."),
                (Reasons.Queued, "Kueue has not admitted the workload. Nothing is reserved for it until then."),
                (
                    Reasons.Settling,
                    "The budget does not cover this running job, because the budget is new, its limit fell, or the job became more expensive. It is suspended after `spec.training.settle`. Raise the limit, or let the job save a checkpoint."
                ),
                (Reasons.AlmostDone, "The job's remaining time is shorter than stopping it would take."),
                (Reasons.ForecastPaused, "Progress or metering is stale. Only the hard limit applies."),
                (
                    Reasons.IdleGpus,
                    "An Event: all GPUs of the workload have been idle for as long as `spec.idle.after`, and it keeps running. Stop it, or give it fewer GPUs. See [idle GPUs](../concepts/suspension.md#idle-gpus)."
                ),
                (Reasons.BreakerOpen, "A forecast or idle GPUs would suspend the workload, but the circuit breaker is open."),
                (
                    Reasons.CheckpointRequested,
                    "The workload will be suspended and was asked for a checkpoint first. Bursar waits up to `training.checkpoint.grace`. See [checkpoints](../tasks/checkpoints.md)."
                ),
                (Reasons.CheckpointWithdrawn, "The request for a checkpoint was withdrawn: the workload keeps running."),
                (
                    Reasons.Contested,
                    "Another client resumed the workload three times within 10 minutes. Bursar tries again every 5 minutes. The Event names the client."
                ),
                (
                    Reasons.SuspensionNotFollowed,
                    "The workload is suspended, but its pods keep running. It counts as running. See [BursarSuspensionNotFollowed](../tasks/alerts.md#bursarsuspensionnotfollowed)."
                ),
                (
                    Reasons.SuspensionFollowed,
                    "An Event: a suspension that was reported as not followed has taken effect, or the workload may run again."
                ),
                (
                    Reasons.AnnotationIgnored,
                    "An Event: an annotation with the prefix `bursar.dev/` cannot be read or is not known, and has no effect. The message quotes it and says what is accepted."
                ),
            ]
        ),
        (
            "Scaler",
            [
                (Reasons.DemandMet, "The replicas are what demand asks for."),
                (Reasons.ScalingUp, "Demand asks for more replicas."),
                (Reasons.ScalingDown, "Demand asks for fewer replicas."),
                (Reasons.ScaledFromZero, "A trigger became active: the target is scaled from zero."),
                (Reasons.Idle, "No trigger is active: the target is at zero, or at `idleReplicaCount`."),
                (Reasons.CoolingDown, "No trigger is active, and `cooldownPeriod` is not over."),
                (
                    Reasons.ScaleDownDelayed,
                    "No trigger is active, but a replica is starting, requests are in flight, or a rollout is in progress."
                ),
                (
                    Reasons.NoActivationTrigger,
                    "The target may go to zero, but every trigger is measured in its replicas and could not activate it again. One replica stays. Add a `prometheus` trigger on a gateway's queue, or a `cron` trigger."
                ),
                (
                    Reasons.CostCapped,
                    "Demand asks for more replicas than the budget or the cost cap covers. The message gives the amounts."
                ),
                (Reasons.AwaitingMetrics, "A trigger has no measurement yet, or a replica is starting. Nothing is decided from it."),
                (
                    Reasons.MetricsUnavailable,
                    "A trigger has no measurement: nothing is scaled down because of it. Check the node's agent, the metrics port of the pod, or the Prometheus server in the message."
                ),
                (Reasons.FallbackActive, "A trigger has failed longer than `fallback.failureThreshold` allows: the fallback is in force."),
                (Reasons.TargetNotFound, "The object in `scaleTargetRef` does not exist, or its kind cannot be scaled."),
                (Reasons.TargetNotScalable, "This operator may not scale the kind of the target. See `operator.kinds` of the chart."),
                (Reasons.TargetConflict, "An older InferenceScaler scales the same target. Delete one of them."),
                (Reasons.CappedThroughAutoscaler, "KEDA or a HorizontalPodAutoscaler scales the target. Bursar only lowers its maximum."),
                (Reasons.SuspendedByBudget, "A budget has scaled the target to zero. Scaling continues when the budget covers it again."),
                (Reasons.NoTriggers, "The scaler has no triggers, and no other autoscaler scales its target. There is nothing to do."),
                (
                    Reasons.BudgetNotFound,
                    "The budget in `budgetRef` does not exist, is invalid, or does not select the target's pods. No replicas are added. On a request: the budget does not exist, does not cover its namespace, or has no valid spec; the request is considered when that changes."
                ),
                (Reasons.ScaledByOther, "Another client set the target's replicas, or the maximum that Bursar had lowered."),
            ]
        ),
        (
            "Request",
            [
                (
                    Reasons.GrantApproved,
                    "The request is approved: its amount is part of the limit until the grant expires. Also an Event on the budget."
                ),
                (Reasons.AutoApproved, "The budget's `autoApprove` approved the request."),
                (Reasons.Denied, "A user denied the request. The unused part of an earlier approval leaves the limit."),
                (
                    Reasons.GrantExpired,
                    "The grant has expired, or its time was over before the approval. The used part stays in the limit until the window ends. Also an Event on the budget, if that is before the end of the window."
                ),
                (
                    Reasons.GrantWithdrawn,
                    "An Event on the budget: the request was deleted or denied after its approval. The unused part leaves the limit."
                ),
                (Reasons.CurrencyMismatch, "The request names another currency than that of the price book."),
                (Reasons.TooManyGrants, "The budget has 50 grants in this window, the most that one window can have."),
            ]
        ),
        (
            "Loan",
            [
                (
                    Reasons.Borrowed,
                    "An Event on the budget and on the workloads that run because of it: the budget borrowed from others, named in the text."
                ),
                (Reasons.Lent, "An Event on the budget that lends, once per window and borrower."),
                (
                    Reasons.LoanRepaid,
                    "An Event on both budgets: the limit of the borrower is lower in this window, and that of the lender higher, by what is repaid."
                ),
                (
                    Reasons.LoanInOtherUnit,
                    "A warning on a budget whose limit is in another unit than the loan: the loan does not change the limit. It counts again, and is repaid, once both budgets have the unit of the loan as their first."
                ),
            ]
        ),
    ];

    public static string Write()
    {
        var text = new StringBuilder(
            """
            # Conditions, reasons and Events

            This page is generated by `make generate`. A reason is the same word wherever it appears: in an Event, a condition, the status, a metric and
            the log. Each message gives the amounts.

            ```
            kubectl get events -A --field-selector reason=WillSuspend
            ```

            ## Conditions

            A cell is empty where the condition is absent instead.

            | kind | condition | True | False |
            | --- | --- | --- | --- |

            """.ReplaceLineEndings("\n")
        );
        foreach (var (kind, type, yes, no) in Conditions)
            text.Append($"| {kind} | `{type}` | {yes} | {no} |\n");
        text.Append(
            """

            ## Events of an action

            Bursar publishes each action as an Event on the workload and on the budget, with one of these reasons. Why it acted is one of the reasons further
            below. It is in the status of the budget, in the annotation `bursar.dev/suspended-reason`, and in the metric `bursar_decisions_total`.

            | reason | meaning |
            | --- | --- |
            | `Suspended` | The workload, or the CronJob that creates it, was suspended. |
            | `ScaledToZero` | The Deployment, StatefulSet, LeaderWorkerSet, InferenceService or Notebook was scaled to zero or stopped. |
            | `Resumed` | The workload was resumed or scaled to the replicas that it had. |

            """.ReplaceLineEndings("\n")
        );
        foreach (var (title, reasons) in Groups)
        {
            text.Append($"\n## {title}\n\n");
            if (title == "Scaler")
                text.Append(
                    "The HorizontalPodAutoscaler's reasons for a limited step are used as well: `ScaleUpStabilized`, `ScaleDownStabilized`, `ScaleUpLimit`,\n`ScaleDownLimit`, `TooManyReplicas`, `TooFewReplicas`.\n\n"
                );
            text.Append("| reason | meaning, and what to do |\n| --- | --- |\n");
            foreach (var (reason, meaning) in reasons)
                text.Append($"| `{reason}` | {meaning} |\n");
        }
        return text.ToString();
    }
}
