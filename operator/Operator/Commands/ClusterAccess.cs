using System.CommandLine;
using System.CommandLine.Parsing;
using Bursar.Hosting;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Commands;

/// <summary>Access to a cluster from a command line: the options that select it, the client, and error messages.</summary>
internal sealed class ClusterAccess
{
    public const string DefaultBursarNamespace = "bursar-system";

    private readonly Option<string?> _kubeconfig = new("--kubeconfig")
    {
        Description = "The kubeconfig file; by default the one kubectl uses.",
    };
    private readonly Option<string?> _context = new("--context") { Description = "The kubeconfig's context." };
    private readonly Option<string> _bursarNamespace = new("--bursar-namespace")
    {
        Description = "The namespace that Bursar itself runs in (BURSAR_NAMESPACE).",
        DefaultValueFactory = _ =>
            Environment.GetEnvironmentVariable("BURSAR_NAMESPACE") is { Length: > 0 } set ? set : DefaultBursarNamespace,
    };

    public void AddTo(Command command)
    {
        command.Options.Add(_kubeconfig);
        command.Options.Add(_context);
        command.Options.Add(_bursarNamespace);
    }

    /// <summary>Runs a command with a client of the selected cluster.</summary>
    /// <exception cref="UsageException">An option is empty.</exception>
    /// <exception cref="CommandException">The API server is unreachable; the message has its address and the kubeconfig.</exception>
    public async Task<int> RunAsync(ParseResult parsed, Func<KubeClient, string, Task<int>> act)
    {
        // A script may pass an unset variable. An empty namespace would mean the whole cluster.
        if (
            parsed
                .CommandResult.Children.OfType<OptionResult>()
                .FirstOrDefault(option => option.Tokens.Any(token => string.IsNullOrWhiteSpace(token.Value))) is
            { } empty
        )
            throw new UsageException($"{empty.Option.Name} is given without a value.");
        using var client = new KubeClient(KubeConfig.Load(parsed.GetValue(_kubeconfig), parsed.GetValue(_context)));
        try
        {
            return await act(client, parsed.GetRequiredValue(_bursarNamespace));
        }
        catch (Exception broken) when (broken is HttpRequestException or TimeoutException)
        {
            throw new CommandException(
                $"the API server {client.Config.Server} ({client.Config.Source}) cannot be reached: {CommandLine.Reason(broken)}",
                broken
            );
        }
    }

    /// <summary>Returns an object by its name; null if it does not exist.</summary>
    /// <param name="client">The client.</param>
    /// <param name="name">The object's name.</param>
    /// <param name="ns">The object's namespace; null for a kind without namespaces.</param>
    /// <param name="cancellationToken">Cancels the request.</param>
    /// <exception cref="ApiException">The request failed, also because the cluster does not serve the kind.</exception>
    public static async Task<T?> GetOrNullAsync<T>(KubeClient client, string name, string? ns, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        try
        {
            return await WithRightAsync($"get {T.EntityKind.Plural}.{T.EntityKind.Group}{(ns is null ? "" : $" in namespace {ns}")}", () =>
                client.GetAsync<T>(name, ns, cancellationToken)
            );
        }
        catch (ApiException missing) when (missing.IsNotFound && !Failures.IsKindMissing(missing))
        {
            return null;
        }
    }

    /// <summary>Returns whether a namespace exists; null without permission to get it.</summary>
    public static async Task<bool?> HasNamespaceAsync(KubeClient client, string ns, CancellationToken cancellationToken)
    {
        try
        {
            return await client.GetOrNullAsync<V1Namespace>(ns, null, cancellationToken) is not null;
        }
        catch (ApiException refused) when (refused.IsForbidden)
        {
            return null;
        }
    }

    /// <summary>
    /// Returns the API server's time from its last response, because it wrote the times in the cluster. Otherwise the local time.
    /// </summary>
    public static DateTimeOffset NowIn(KubeClient client) => client.ServerTime ?? client.TimeProvider.GetUtcNow();

    /// <summary>Runs a request. If it is forbidden, the exception names the missing permission.</summary>
    public static async Task<T> WithRightAsync<T>(string right, Func<Task<T>> request)
    {
        try
        {
            return await request();
        }
        catch (ApiException refused) when (refused.IsForbidden)
        {
            // A policy's denial is a 403 too, and its message says who is allowed.
            throw new CommandException(
                refused.Message.Contains("ValidatingAdmissionPolicy '", StringComparison.Ordinal)
                    ? $"a policy refuses it. The API server says: {refused.Message}"
                    : $"this needs the right to {right}. The API server says: {refused.Message}"
            );
        }
    }
}
