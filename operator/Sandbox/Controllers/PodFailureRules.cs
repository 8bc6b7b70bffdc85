namespace Bursar.Sandbox.Controllers;

/// <summary>Evaluates a Job's podFailurePolicy for a failed pod. The first matching rule applies.</summary>
internal static class PodFailureRules
{
    public const string FailJob = "FailJob";
    public const string FailIndex = "FailIndex";
    public const string Ignore = "Ignore";

    /// <summary>Returns the action and Kubernetes' message for the Job's condition; null if no rule matches.</summary>
    public static (string Action, string Message)? Evaluate(PodFailurePolicy? policy, ControlledPod pod)
    {
        if (policy is null || !pod.HasFailed)
            return null;
        for (var i = 0; i < policy.Rules.Count; i++)
        {
            var rule = policy.Rules[i];
            if (rule.OnExitCodes is { } codes && MatchingContainer(codes, pod) is { } container)
            {
                return (
                    rule.Action,
                    $"Container {container.Name} for pod {pod.Metadata.Namespace}/{pod.Metadata.Name} failed with exit code {container.State!.Terminated!.ExitCode} matching {rule.Action} rule at index {i}"
                );
            }

            foreach (var pattern in rule.OnPodConditions)
            {
                if (pod.Condition(pattern.Type)?.Status == pattern.Status)
                    return (
                        rule.Action,
                        $"Pod {pod.Metadata.Namespace}/{pod.Metadata.Name} has condition {pattern.Type} matching {rule.Action} rule at index {i}"
                    );
            }
        }

        return null;
    }

    private static ControlledContainerStatus? MatchingContainer(ExitCodeRequirement codes, ControlledPod pod)
    {
        foreach (var container in pod.Status.ContainerStatuses)
        {
            // An exit code of 0 is not a failure, whatever the rule's operator.
            if (container.State?.Terminated is not { ExitCode: not 0 } end)
                continue;
            if (codes.ContainerName is { } name && name != container.Name)
                continue;
            if (codes.Values.Contains(end.ExitCode) == (codes.Operator == "In"))
                return container;
        }

        return null;
    }
}
