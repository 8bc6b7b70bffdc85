namespace Bursar.Operator.Scaling.External;

/// <summary>Ends a call with a status that is not OK; the message goes to the caller.</summary>
public sealed class GrpcException(GrpcCode code, string message) : Exception(message)
{
    public GrpcCode Code { get; } = code;
}
