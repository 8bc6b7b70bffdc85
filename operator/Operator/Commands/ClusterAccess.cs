using System.CommandLine;
using System.CommandLine.Parsing;
using Bursar.Hosting;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Commands;

/// <summary>The way from a command line to a cluster: the options that name it, the client, and what is missing on the way.</summary>
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

    /// <summary>Runs the command with a client of the cluster that its options name.</summary>
    /// <exception cref="UsageException">An option is empty.</exception>
    /// <exception cref="CommandException">The API server cannot be reached: names its address and the kubeconfig.</exception>
    public async Task<int> RunAsync(ParseResult parsed, Func<KubeClient, string, Task<int>> act)
    {
        // As a script passes a variable that is not set: an empty namespace would be none, and the whole cluster's path.
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

    /// <summary>An object by its name; null where there is none.</summary>
    /// <exception cref="ApiException">Also where the cluster does not know the kind, which is no missing object.</exception>
    public static async Task<T?> GetOrNullAsync<T>(KubeClient client, string name, string ns, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        try
        {
            return await WithRightAsync($"get {T.EntityKind.Plural}.{T.EntityKind.Group} in namespace {ns}", () =>
                client.GetAsync<T>(name, ns, cancellationToken)
            );
        }
        catch (ApiException missing) when (missing.IsNotFound && !Failures.IsKindMissing(missing))
        {
            return null;
        }
    }

    /// <summary>Whether a namespace exists; null without the right to know.</summary>
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

    /// <summary>Now, by the clock that wrote the cluster's times: the API server's, as far as it has answered already.</summary>
    public static DateTimeOffset NowIn(KubeClient client) => client.ServerTime ?? client.TimeProvider.GetUtcNow();

    /// <summary>A request whose refusal names the right that is missing.</summary>
    public static async Task<T> WithRightAsync<T>(string right, Func<Task<T>> request)
    {
        try
        {
            return await request();
        }
        catch (ApiException refused) when (refused.IsForbidden)
        {
            // A policy's refusal is a 403 too, and says itself who may.
            throw new CommandException(
                refused.Message.Contains("ValidatingAdmissionPolicy '", StringComparison.Ordinal)
                    ? $"a policy refuses it. The API server says: {refused.Message}"
                    : $"this needs the right to {right}. The API server says: {refused.Message}"
            );
        }
    }
}
