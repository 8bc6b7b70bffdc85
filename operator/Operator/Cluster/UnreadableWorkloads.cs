using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Whether an object of which a field could not be read may still be suspended. It may, as long as its suspend field, what forbids
/// suspending it and its pods' GPUs are known: an odd field elsewhere is no way out of a budget.
/// </summary>
internal static class UnreadableWorkloads
{
    /// <summary>Fields that forbid suspending an object, say who else runs it, or name the claims on its GPUs.</summary>
    private static readonly HashSet<string> Guards = new(StringComparer.Ordinal)
    {
        "managedBy",
        "whenScaled",
        "shutdownAfterJobFinishes",
        "resourceClaimName",
        "resourceClaimTemplateName",
    };

    /// <summary>Parts that neither the suspension nor the GPUs depend on.</summary>
    private static readonly string[] Free = [".metadata", ".labels", ".nodeSelector", ".selector", ".ports", ".updateStrategy"];

    /// <param name="work">The object as it was read.</param>
    /// <param name="switchField">JSON pointer of the field that suspends it.</param>
    /// <param name="known">A part of the object that other objects say in its place, such as <c>spec.trainer</c>.</param>
    /// <returns>A phrase that names the field, or null.</returns>
    public static string? WhyNot(WorkloadObject work, string switchField, string? known = null)
    {
        foreach (var field in work.Metadata.MistypedFields)
            if (
                !field.IsConverted
                && (known is null || !field.Path.StartsWith(known, StringComparison.Ordinal))
                && IsNeeded(field, switchField[1..].Replace('/', '.'))
            )
                return $"its {field.Path} cannot be read ({field.Found}, not {field.Expected})";
        foreach (var set in work.PodSets)
        foreach (var container in set.Template.Spec.Containers.Concat(set.Template.Spec.InitContainers))
        foreach (var (resource, quantity) in container.Resources.Limits.Concat(container.Resources.Requests))
            if (MayBeGpu(resource) && !KubernetesQuantity.TryParse(quantity, out _))
                return $"its quantity of {resource} cannot be read (\"{(quantity.Length <= 40 ? quantity : quantity[..40] + "…")}\")";
        return null;
    }

    private static bool IsNeeded(MistypedField field, string switchField)
    {
        var path = field.Path;
        if (path == switchField)
            return true;
        if (path != "spec" && !path.StartsWith("spec.", StringComparison.Ordinal))
            return false;
        if (Array.Exists(Free, path.Contains))
            return false;
        var bracket = path.EndsWith(']') ? path.LastIndexOf('[') : -1;
        if (bracket > 0 && path.AsSpan(0, bracket) is var owner && (owner.EndsWith(".limits") || owner.EndsWith(".requests")))
            return MayBeGpu(path[(bracket + 1)..^1]);
        // A part of the object: what was in it is unknown.
        return field.Expected is "an object" or "a list" || Guards.Contains(path[(path.LastIndexOf('.') + 1)..]);
    }

    /// <summary>
    /// Every extended resource may be a GPU: users extend the table of GPUs, and DeviceClasses name resources that it cannot know.
    /// </summary>
    private static bool MayBeGpu(string resource) => resource.Contains('/');
}
