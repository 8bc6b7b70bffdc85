using Bursar.Tests.TestKit.ApiServers;

namespace Bursar.Tests.Conformance;

/// <summary>All cases share the servers of the run, one after another.</summary>
[CollectionDefinition(Name)]
public sealed class ApiServersCollection : ICollectionFixture<EveryApiServer>
{
    public const string Name = "api servers";
}

/// <summary>Requirements on an API server: each case runs on the Sandbox and on a real kube-apiserver and requires the same of both.</summary>
[Collection(ApiServersCollection.Name)]
public abstract class ApiCase(EveryApiServer servers)
{
    public static TheoryData<string> Servers => EveryApiServer.Names;

    protected EveryApiServer All { get; } = servers;

    protected Task<ApiServerUnderTest> On(string server) => All.GetAsync(server);

    protected static string ConfigMap(string name, string data = "\"a\":\"1\"", string metadata = "") =>
        """
            {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"NAME"METADATA},"data":{DATA}}
            """.Replace("NAME", name).Replace("METADATA", metadata).Replace("DATA", data);

    protected static string Deployment(string name, int? replicas = 2, string image = "app:1") =>
        """
            {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"NAME","labels":{"app":"NAME"}},"spec":{REPLICAS"selector":{"matchLabels":{"app":"NAME"}},
            "template":{"metadata":{"labels":{"app":"NAME"}},"spec":{"containers":[{"name":"main","image":"IMAGE"}]}}}}
            """.Replace("NAME", name).Replace("IMAGE", image).Replace("REPLICAS", replicas is null ? "" : $"\"replicas\":{replicas},");

    protected static string Job(string name, string spec = "") =>
        """
            {"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"NAME"},"spec":{SPEC"template":{"spec":{"restartPolicy":"Never",
            "containers":[{"name":"main","image":"train:1","resources":{"limits":{"nvidia.com/gpu":"1"}}}]}}}}
            """.Replace("NAME", name).Replace("SPEC", spec);

    protected static string Pod(string name, string spec = "", string metadata = "") =>
        """
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"NAME"METADATA},"spec":{SPEC"containers":[{"name":"main","image":"app:1"}]}}
            """.Replace("NAME", name).Replace("METADATA", metadata).Replace("SPEC", spec);

    protected static string ConfigMaps(string ns) => $"/api/v1/namespaces/{ns}/configmaps";

    protected static string Deployments(string ns) => $"/apis/apps/v1/namespaces/{ns}/deployments";

    protected static string Jobs(string ns) => $"/apis/batch/v1/namespaces/{ns}/jobs";

    protected static string Pods(string ns) => $"/api/v1/namespaces/{ns}/pods";
}
