using System.Text.Json;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;

namespace Bursar.Core.State;

/// <summary>
/// Converts between the state and its stored form. The stored form does not change: an earlier version reads it after a rollback, and it
/// expects memory and causes as JSON in a string.
/// </summary>
public static class StoredForm
{
    /// <summary>The <c>suspend</c> field of a CronJob, the only one that is written.</summary>
    private const string CronJobVersion = "batch/v1",
        CronJobField = "/spec/suspend",
        CronJobStopped = "true";

    private const string StoredSuspend = "Park";

    public static string? From(BudgetMemory? memory) =>
        memory is null ? null : JsonSerializer.Serialize(memory, DecisionJson.Default.BudgetMemory);

    public static BudgetMemory? Read(string? memory) =>
        memory is null ? null : JsonSerializer.Deserialize(memory, DecisionJson.Default.BudgetMemory);

    public static ShardSuspension From(SuspensionRecord record) =>
        new()
        {
            ApiVersion = record.ApiVersion,
            Kind = record.Kind,
            Namespace = record.Namespace,
            Name = record.Name,
            Uid = record.Uid,
            Target = record.IsThroughManager ? record.Field.Object : null,
            Also = record.Also.Count > 0 ? record.Also : null,
            Replicas = record.Replicas,
            Field = record.Field.Pointer,
            Original = record.Field.Original,
            Value = record.Field.Value,
            Since = record.Since,
            Reason = record.Reason,
            Cause = JsonSerializer.Serialize(record.Cause, DecisionJson.Default.SuspendedSnapshot),
            Budget = record.Budget,
            BudgetUid = record.BudgetUid,
            ClusterBudget = record.IsClusterBudget ? true : null,
            CostToFinish = record.CostToFinish,
            CronJob = record.CronJob is { } cronJob
                ? new(cronJob.Object.Kind, cronJob.Object.Name, cronJob.Object.Uid, cronJob.Original)
                : null,
            Labels = record.Labels,
            Class = record.Class,
        };

    public static SuspensionRecord Read(ShardSuspension stored) =>
        new()
        {
            Workload = new(stored.Namespace, stored.Kind, stored.Name, stored.Uid),
            ApiVersion = stored.ApiVersion,
            Field = new(
                stored.Target ?? new(stored.ApiVersion, WorkloadKey.ObjectKindOf(stored.Kind), stored.Name, stored.Uid),
                stored.Field,
                stored.Original,
                stored.Value
            ),
            IsThroughManager = stored.Target is not null,
            Also = stored.Also ?? [],
            Replicas = stored.Replicas,
            Since = stored.Since,
            Reason = Reasons.Current(stored.Reason),
            Cause =
                stored.Cause.Length > 0 && JsonSerializer.Deserialize(stored.Cause, DecisionJson.Default.SuspendedSnapshot) is { } cause
                    ? cause with
                    {
                        Reason = Reasons.Current(cause.Reason),
                    }
                    : new() { Since = stored.Since, Reason = Reasons.Current(stored.Reason) },
            Budget = stored.Budget,
            BudgetUid = stored.BudgetUid,
            IsClusterBudget = stored.ClusterBudget == true,
            CostToFinish = stored.CostToFinish,
            CronJob = stored.CronJob is { } cronJob ? CronJob(cronJob.Kind, cronJob.Name, cronJob.Uid, cronJob.Original) : null,
            Labels = stored.Labels,
            Class = stored.Class,
        };

    /// <summary>A suspension is stored as the action <c>Suspend</c>.</summary>
    public static DecisionRecord From(DecisionRecord record) =>
        record.Action == nameof(ActionKind.Suspend) ? record with { Action = StoredSuspend } : record;

    public static DecisionRecord Read(DecisionRecord stored) =>
        stored with
        {
            Action = stored.Action == StoredSuspend ? nameof(ActionKind.Suspend) : stored.Action,
            Reason = Reasons.Current(stored.Reason),
        };

    /// <summary>The override of a CronJob's <c>spec.suspend</c>.</summary>
    public static FieldOverride CronJob(string kind, string name, string uid, string original) =>
        new(new(CronJobVersion, kind, name, uid), CronJobField, original, CronJobStopped);

    public static ShardScaler From(ScalerRecord record) =>
        new()
        {
            Namespace = record.Namespace,
            ScalerName = record.ScalerName,
            ScalerUid = record.ScalerUid,
            Target = record.Target,
            Fields = [.. record.Fields.Select(field => new ShardField(field.Pointer, field.Original, field.Value, field.Before))],
            Since = record.Since,
        };

    public static ScalerRecord Read(ShardScaler stored) =>
        new()
        {
            Namespace = stored.Namespace,
            ScalerName = stored.ScalerName,
            ScalerUid = stored.ScalerUid,
            Fields =
            [
                .. stored.Fields.Select(field => new FieldOverride(
                    stored.Target,
                    field.Pointer,
                    field.Original,
                    field.Value,
                    field.Before
                )),
            ],
            Since = stored.Since,
        };

    /// <summary>The size of a record as it is stored. A cause counts twice, because it grows when the suspension is reverted.</summary>
    internal static int Bytes(SuspensionRecord record)
    {
        var stored = From(record);
        return JsonSerializer.SerializeToUtf8Bytes(stored with { Cause = "" }, LedgerJson.Default.ShardSuspension).Length
            + stored.Cause.Length * 2;
    }

    internal static int Bytes(ScalerRecord record) =>
        JsonSerializer.SerializeToUtf8Bytes(From(record), LedgerJson.Default.ShardScaler).Length + 1;
}
