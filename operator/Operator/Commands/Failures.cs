using Bursar.Api;
using Bursar.Hosting;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Operator.Billing;
using Bursar.Operator.Commands.Imports;

namespace Bursar.Operator.Commands;

/// <summary>The message that a user sees when a command fails.</summary>
internal static class Failures
{
    public static string Describe(Exception failure) =>
        failure switch
        {
            CommandException or ImportException or KubeConfigException or LedgerUnreadableException or LeadershipLostException =>
                failure.Message,
            ApiException refused when IsKindMissing(refused) =>
                $"the cluster does not serve Bursar's kinds: its CRDs are not installed. The API server says: {refused.Message}",
            ApiException { IsForbidden: true } => $"the API server forbids it: {failure.Message}",
            ApiException { StatusCode: 401 } => $"the API server does not accept these credentials: {failure.Message}",
            ApiException => $"the API server says: {failure.Message}",
            HttpRequestException or TimeoutException => $"the API server cannot be reached: {CommandLine.Reason(failure)}",
            IOException or UnauthorizedAccessException => CommandLine.Reason(failure),
            _ => $"unexpected failure ({failure.GetType().Name}): {CommandLine.Reason(failure)}",
        };

    /// <summary>Whether the API server does not know the path of one of Bursar's kinds: a 404 that names no object.</summary>
    public static bool IsKindMissing(ApiException refused) =>
        refused.IsNotFound
        && refused.Status?.Details?.Name is null or ""
        && refused.Message.Contains($"/apis/{ApiGroup.Name}/", StringComparison.Ordinal);
}

/// <summary>A command cannot be carried out. The message is for the user.</summary>
internal sealed class CommandException(string message, Exception? cause = null) : Exception(message, cause);
