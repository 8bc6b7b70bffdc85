using System.Globalization;
using System.Text;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Scaling;

namespace Bursar.Operator.Commands;

/// <summary>
/// <c>bursar explain infs/&lt;name&gt;</c>: the values of the triggers, the replicas that follow from them, what the budgets can afford,
/// and the result.
/// </summary>
internal static class ExplainScaler
{
    public static string Format(V1Alpha1InferenceScaler scaler)
    {
        var text = new StringBuilder();
        var ns = scaler.Metadata.Namespace;
        text.Append(CultureInfo.InvariantCulture, $"InferenceScaler {ns}/{scaler.Metadata.Name}\n");
        var errors = InferenceScalerReader.Read(scaler, out var terms);
        if (terms is null)
        {
            text.Append("  Its spec cannot be read:\n");
            foreach (var error in errors)
                text.Append(CultureInfo.InvariantCulture, $"    {error.Path}: {error.Message}\n");
            return text.ToString();
        }
        if (scaler.Status is not { Reason: not null } status)
            return text.Append("  The operator has not evaluated it yet.\n").ToString();
        if (status.ObservedGeneration != scaler.Metadata.Generation)
            text.Append("  The operator has not seen the latest change of its spec yet.\n");
        text.Append(CultureInfo.InvariantCulture, $"  {status.Target}: {status.Reason}\n  {status.Message}\n");
        foreach (var condition in status.Conditions ?? [])
            if (condition is { Type: ConditionTypes.Ready, Status: not "True" } or { Type: ConditionTypes.Contested, Status: "True" })
                text.Append(CultureInfo.InvariantCulture, $"  {condition.Type} is {condition.Status}: {condition.Message}\n");
        if (status.Replicas is not { } replicas)
            return text.ToString();

        text.Append("\nDemand\n");
        if (terms.Triggers.Count == 0)
            text.Append("  no triggers: it caps what others scale\n");
        foreach (var trigger in terms.Triggers)
        {
            var reported = status.Triggers?.FirstOrDefault(one => one.Name == trigger.Name);
            var active = reported?.Active == true ? "active" : $"not active, it is above {Figure(trigger.Activation)}";
            text.Append(
                CultureInfo.InvariantCulture,
                $"  {trigger.Name} ({Described(trigger)}): {reported switch
            {
                { Error: { } error, Replicas: { } fallback } => $"fails, the fallback asks for {fallback}: {error}",
                { Error: { } error } => $"no value: {error}",
                { Value: { } value, Replicas: { } wants } => $"{How(trigger, value)} -> {wants}; {active}",
                { Value: { } value } => $"{value}, target {Figure(trigger.Target)}; {active}",
                _ => "nothing to measure",
            }}\n"
            );
        }
        if (terms.Modifiers is { } modifiers)
            text.Append(CultureInfo.InvariantCulture, $"  together: {modifiers.Formula.Text}, target {Figure(modifiers.Target)}\n");
        text.Append(
            CultureInfo.InvariantCulture,
            $"  between {terms.Min} and {terms.Max} replicas{(terms.Idle is { } idle ? $", {idle} when idle" : "")}: demand asks for {status.Wanted}\n"
        );

        text.Append("\nMoney\n");
        text.Append(
            CultureInfo.InvariantCulture,
            $"  {replicas} replica{(replicas == 1 ? " costs" : "s cost")} {status.CostPerHour} {status.Currency}/h\n"
        );
        if (terms.CostCap is { } cap && status.Cap?.By != ReplicaCaps.CostCap)
            text.Append(CultureInfo.InvariantCulture, $"  costCap: {cap} {status.Currency}/h\n");
        if (status.Affordable is { } affordable)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"  {status.Cap?.Message ?? status.Cap?.By}\n  the budget covers {affordable}{(affordable == terms.Min ? ", the minimum" : "")}\n"
            );
            if (affordable < status.Wanted)
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"  the {status.Wanted - affordable} missing would cost {status.MissingPerHour ?? "an unknown sum of"} {status.Currency}/h more\n"
                );
        }
        else
            text.Append("  no budget and no costCap limits it\n");

        text.Append("\nResult\n");
        text.Append(
            CultureInfo.InvariantCulture,
            $"  {replicas} replica{(replicas == 1 ? "" : "s")}{(status.LastScaleTime is { } scaled ? $", scaled last at {scaled}" : "")}{(status.LastActiveTime is { } active2 ? $", active last at {active2}" : "")}\n"
        );
        return text.ToString();
    }

    private static string Described(TriggerTerms trigger) =>
        trigger.Type switch
        {
            TriggerType.Tokens => trigger.Metadata.ContainsKey(TriggerReader.Generated)
                ? "generated tokens a second"
                : "prompt tokens a second",
            TriggerType.Queue => "requests that wait",
            TriggerType.KvCache => "percent of the KV cache",
            TriggerType.GpuUtilization => "percent of the GPUs' time",
            TriggerType.Latency =>
                $"seconds, {trigger.Metadata[TriggerReader.Metric]} at percentile {trigger.Metadata.GetValueOrDefault(TriggerReader.Percentile, "95")}",
            TriggerType.Prometheus => trigger.Metadata[TriggerReader.Query],
            _ =>
                $"from {trigger.Metadata[TriggerReader.Start]} to {trigger.Metadata[TriggerReader.End]}, {trigger.Metadata[TriggerReader.TimeZone]}",
        };

    private static string How(TriggerTerms trigger, string value) =>
        trigger.MetricType == TriggerMetricType.Value ? $"{value}, target {Figure(trigger.Target)}"
        : trigger.AddsUp || trigger.Type is TriggerType.Prometheus or TriggerType.Cron
            ? $"{value} together, {Figure(trigger.Target)} for each replica"
        : $"{value} on average, target {Figure(trigger.Target)}";

    private static string Figure(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);
}
