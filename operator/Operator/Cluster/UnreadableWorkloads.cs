using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Decides whether an object with an unreadable field may still be suspended. It may if its suspend field, the fields that forbid
/// suspending it and its pods' GPUs are readable. So an odd field elsewhere cannot exempt a workload from a budget.
/// </summary>
internal static class UnreadableWorkloads
{
    /// <summary>Fields that forbid suspending an object, name another controller, or name its GPU claims.</summary>
    private static readonly HashSet<string> Guards = new(StringComparer.Ordinal)
    {
        "managedBy",
        "whenScaled",
        "shutdownAfterJobFinishes",
        "resourceClaimName",
        "resourceClaimTemplateName",
    };

    /// <summary>Fields that affect neither the suspension nor the GPUs.</summary>
    private static readonly string[] Unrelated = [".metadata", ".labels", ".nodeSelector", ".selector", ".ports", ".updateStrategy"];

    /// <param name="work">The object with its unreadable fields.</param>
    /// <param name="suspendField">JSON pointer of the field that suspends it.</param>
    /// <param name="known">A part of the object that other objects replace, such as <c>spec.trainer</c>.</param>
    /// <returns>A phrase that names the field, or null.</returns>
    public static string? WhyNot(WorkloadObject work, string suspendField, string? known = null)
    {
        foreach (var field in work.Metadata.MistypedFields)
            if (
                !field.IsConverted
                && (known is null || !field.Path.StartsWith(known, StringComparison.Ordinal))
                && IsNeeded(field, suspendField[1..].Replace('/', '.'))
            )
                return $"its {field.Path} cannot be read ({field.Found}, not {field.Expected})";
        foreach (var set in work.PodSets)
        foreach (var container in set.Template.Spec.Containers.Concat(set.Template.Spec.InitContainers))
        foreach (var (resource, quantity) in container.Resources.Limits.Concat(container.Resources.Requests))
            if (MayBeGpu(resource) && !KubernetesQuantity.TryParse(quantity, out _))
                return $"its quantity of {resource} cannot be read (\"{(quantity.Length <= 40 ? quantity : quantity[..40] + "…")}\")";
        return null;
    }

    private static bool IsNeeded(MistypedField field, string suspendField)
    {
        var path = field.Path;
        if (path == suspendField)
            return true;
        if (path != "spec" && !path.StartsWith("spec.", StringComparison.Ordinal))
            return false;
        if (Array.Exists(Unrelated, path.Contains))
            return false;
        var bracket = path.EndsWith(']') ? path.LastIndexOf('[') : -1;
        if (bracket > 0 && path.AsSpan(0, bracket) is var parent && (parent.EndsWith(".limits") || parent.EndsWith(".requests")))
            return MayBeGpu(path[(bracket + 1)..^1]);
        // The content of an unreadable part is unknown.
        return field.Expected is "an object" or "a list" || Guards.Contains(path[(path.LastIndexOf('.') + 1)..]);
    }

    /// <summary>Any extended resource may be a GPU, because users extend the table and DeviceClasses define other resources.</summary>
    private static bool MayBeGpu(string resource) => resource.Contains('/');
}
