"""What Concord needs of Lambda and CloudFormation and the open-source LocalStack lacks."""
